"""Sentences about boards on a cable."""

WORDS = {
    "board.none": (
        "No board found. Is the cable plugged in, and is it one that carries data? A virtual board: name it in PANTAU_BOARDS or by --port.",
        "Papan tidak ditemukan. Apakah kabel terpasang, dan apakah kabel itu membawa data? Papan virtual: sebutkan di PANTAU_BOARDS atau dengan --port.",
    ),
    "board.several": (
        "There are several boards: say which by --port SERIAL. Found: {ports}",
        "Ada beberapa papan: sebutkan yang mana dengan --port SERIAL. Ditemukan: {ports}",
    ),
    "board.unknown": (
        "There is no port {port}. `pantau node list` shows what is there.",
        "Port {port} tidak ada. `pantau node list` menunjukkan yang ada.",
    ),
    "board.busy": (
        "{port} is in use by {who}. Close that and run the command again.",
        "{port} sedang dipakai oleh {who}. Tutup itu lalu jalankan lagi perintah ini.",
    ),
    "board.closed": (
        "{port} cannot be opened. Plug the cable in again; on Linux your user needs the group dialout.",
        "{port} tidak dapat dibuka. Pasang kembali kabelnya; di Linux pengguna Anda perlu grup dialout.",
    ),
    "board.silent": (
        "Nobody answers at {port}. A blank chip: `pantau node flash`. A provisioned node keeps its REPL closed: `pantau node unlock`.",
        "Tidak ada jawaban di {port}. Chip kosong: `pantau node flash`. Node yang sudah dibekali menutup REPL-nya: `pantau node unlock`.",
    ),
    "board.lost": (
        "The board at {port} stopped answering ({what}). Check the cable and run the command again: it goes on where it was.",
        "Papan di {port} berhenti menjawab ({what}). Periksa kabel dan jalankan lagi perintah ini: pekerjaan dilanjutkan.",
    ),
    "board.full": (
        "The board's disk is full. Remove files there that are not Pantau's: mpremote fs ls",
        "Penyimpanan papan penuh. Hapus berkas yang bukan milik Pantau: mpremote fs ls",
    ),
    "board.unequal": (
        "{path} reads back differently than written: the flash or the cable is bad. Run the command again; if it stays, change the board.",
        "{path} terbaca berbeda dari yang ditulis: flash atau kabel rusak. Jalankan lagi perintah ini; jika tetap, ganti papannya.",
    ),
    "board.refused": (
        "The board said: {said}",
        "Papan menjawab: {said}",
    ),
}
