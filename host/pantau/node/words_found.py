"""Sentences of `pantau node list`."""

WORDS = {
    "found.none": (
        "No board found. Is the cable plugged in, and is it one that carries data? Virtual boards are named in PANTAU_BOARDS.",
        "Papan tidak ditemukan. Apakah kabel terpasang, dan apakah kabel itu membawa data? Papan virtual disebutkan di PANTAU_BOARDS.",
    ),
    "found.looking": ("looking", "memeriksa"),
    "found.node": (
        "Pantau node {node}, version {version}, station kind {station}{setup}",
        "node Pantau {node}, versi {version}, jenis stasiun {station}{setup}",
    ),
    "found.setup": (", not commissioned yet", ", belum dikomisioning"),
    "found.unnamed": (
        "Pantau {version} without identity: pantau node provision",
        "Pantau {version} tanpa identitas: pantau node provision",
    ),
    "found.micropython": (
        "MicroPython {version} on {machine}: pantau node install",
        "MicroPython {version} di {machine}: pantau node install",
    ),
    "found.loader": (
        "blank chip, or one in its loader: pantau node flash",
        "chip kosong, atau sedang di loader: pantau node flash",
    ),
    "found.other": (
        "something that is neither a Pantau node nor at its REPL",
        "sesuatu yang bukan node Pantau dan tidak di REPL",
    ),
    "found.silent": (
        "silence: a blank chip (pantau node flash), a node that sleeps, or no board",
        "tidak ada suara: chip kosong (pantau node flash), node yang tidur, atau bukan papan",
    ),
    "found.busy": ("in use by {who}", "sedang dipakai oleh {who}"),
    "found.closed": (
        "cannot be opened: on Linux your user needs the group dialout",
        "tidak dapat dibuka: di Linux pengguna Anda perlu grup dialout",
    ),
}
