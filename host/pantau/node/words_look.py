"""Sentences of the commands that speak with a running node."""

WORDS = {
    "look.silent": (
        "Nothing is heard at {port} in {s} s. Is the node powered, and is this its port (pantau node list)? A node on a battery sleeps: press its reset button, or wait longer with --wait. A blank chip: pantau node flash.",
        "Tidak ada apa pun di {port} selama {s} dtk. Apakah node menyala, dan apakah ini port-nya (pantau node list)? Node baterai tidur: tekan tombol reset, atau tunggu lebih lama dengan --wait. Chip kosong: pantau node flash.",
    ),
    "look.repl": (
        "The board at {port} is at its REPL: no Pantau application runs there. Next: pantau node install, or pantau node setup for all steps.",
        "Papan di {port} berada di REPL: aplikasi Pantau tidak berjalan. Berikutnya: pantau node install, atau pantau node setup untuk semua langkah.",
    ),
    "look.download": (
        "The chip at {port} waits for a download: let go of the BOOT button and press reset; then pantau node flash if it is blank.",
        "Chip di {port} menunggu unduhan: lepaskan tombol BOOT dan tekan reset; lalu pantau node flash jika masih kosong.",
    ),
    "look.baud": (
        "What comes from {port} is not readable at 115200 baud: another kind of board, a sensor's adapter, or a bad cable.",
        "Data dari {port} tidak terbaca pada 115200 baud: jenis papan lain, adaptor sensor, atau kabel rusak.",
    ),
    "look.stranger": (
        "Something talks at {port}, but no Pantau node answers within {s} s. Its firmware may be older than the console (pantau node install), or it is not a node.",
        "Ada yang berbicara di {port}, tetapi tidak ada node Pantau yang menjawab dalam {s} dtk. Firmware-nya mungkin lebih tua dari konsol (pantau node install), atau itu bukan node.",
    ),
    "look.stopped": (
        "The node at {port} stopped answering. Check the cable, and whether it restarts (pantau node logs --follow); then run the command again.",
        "Node di {port} berhenti menjawab. Periksa kabel, dan apakah node memulai ulang (pantau node logs --follow); lalu jalankan lagi perintah ini.",
    ),
    "look.noise": (
        "Answers from {port} arrive damaged. Use a shorter cable, keep it away from the siren and the solar controller, and run the command again.",
        "Jawaban dari {port} rusak di jalan. Pakai kabel lebih pendek, jauhkan dari sirene dan pengontrol surya, lalu jalankan lagi perintah ini.",
    ),
    "look.wrong_key": (
        "The node does not accept the order: it counts it as forged. Either it was provisioned with another key than key {key_id} of {node} in your key file (fetch the current one, or provision it again), or this computer's clock is behind that of whoever gave the last order: check the clock.",
        "Node menolak perintah: dianggap palsu. Node dibekali kunci lain dari kunci {key_id} untuk {node} di berkas kunci Anda (ambil yang terbaru, atau bekali ulang), atau jam komputer ini tertinggal dari pemberi perintah terakhir: periksa jam.",
    ),
    "look.answer": ("The node says {code}: {text}", "Node menjawab {code}: {text}"),
    "look.unknown_verb": (
        "This node's firmware is older than this command ({text}). Update it: pantau node install.",
        "Firmware node ini lebih tua dari perintah ini ({text}). Perbarui: pantau node install.",
    ),
    "look.too_long": (
        "The order is longer than a node takes (1,024 bytes): change fewer keys at a time, or say less.",
        "Perintah lebih panjang dari yang diterima node (1.024 bita): ubah lebih sedikit kunci sekaligus, atau persingkat.",
    ),
    "look.question": (
        "The question is too long for a node: is the key right?",
        "Pertanyaan terlalu panjang untuk node: apakah kuncinya benar?",
    ),
}
