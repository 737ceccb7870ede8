"""Sentences of `pantau node setup`."""

WORDS = {
    "setup.step": ("Step {n} of {m}: {what}", "Langkah {n} dari {m}: {what}"),
    "setup.step_list": ("which board", "papan yang mana"),
    "setup.step_flash": ("MicroPython", "MicroPython"),
    "setup.step_install": ("the application", "aplikasi"),
    "setup.step_provision": ("who it is", "identitasnya"),
    "setup.step_selftest": ("the sensors", "sensor"),
    "setup.step_commission": ("into service", "mulai bertugas"),
    "setup.already": ("  done already: {what}", "  sudah selesai: {what}"),
    "setup.skipped": ("  passed over: {what}", "  dilewati: {what}"),
    "setup.found_node": (
        "  {port}: node {node}, Pantau {version}, running",
        "  {port}: node {node}, Pantau {version}, sedang berjalan",
    ),
    "setup.found_board": (
        "  {port}: {machine}, MicroPython {version}",
        "  {port}: {machine}, MicroPython {version}",
    ),
    "setup.found_blank": (
        "  {port}: a chip without MicroPython",
        "  {port}: chip tanpa MicroPython",
    ),
    "setup.is_flashed": ("MicroPython is on it", "MicroPython sudah ada"),
    "setup.is_installed": ("Pantau {version} runs on it", "Pantau {version} berjalan di papan ini"),
    "setup.is_provisioned": ("it is {node}", "papan ini adalah {node}"),
    "setup.is_commissioned": ("{node} is in service", "{node} sudah bertugas"),
    "setup.ask_image": (
        "MicroPython image for this board (.bin, from micropython.org)",
        "Image MicroPython untuk papan ini (.bin, dari micropython.org)",
    ),
    "setup.no_image": (
        "This chip is blank and no image is named: --image FILE (.bin, from micropython.org)",
        "Chip ini kosong dan image tidak disebutkan: --image BERKAS (.bin, dari micropython.org)",
    ),
    "setup.starting": ("  waiting for {node} to start ...", "  menunggu {node} mulai ..."),
    "setup.hearing": (
        "  waiting up to {s} s for the bridge to acknowledge ...",
        "  menunggu pengakuan dari bridge, paling lama {s} detik ...",
    ),
    "setup.ask_bad_sensor": (
        "A sensor is not well. Go on all the same",
        "Ada sensor yang bermasalah. Tetap lanjutkan",
    ),
    "setup.bad_sensor": (
        "{node} is provisioned and a sensor is not well: do what is said above and run the command again.",
        "{node} sudah dibekali tetapi ada sensor yang bermasalah: lakukan yang tertulis di atas lalu jalankan lagi perintah ini.",
    ),
    "setup.ask_on_site": (
        "Is it mounted at its station, and are you there? It is commissioned then",
        "Apakah sudah terpasang di stasiun, dan Anda di sana? Lalu mulai bertugas",
    ),
    "setup.not_on_site": (
        "commission it on site: pantau node commission",
        "mulai bertugas di lokasi: pantau node commission",
    ),
    "setup.done": (
        "{node} at {station} is in service: it measures and sends.",
        "{node} di {station} bertugas: mengukur dan mengirim.",
    ),
    "setup.ready": (
        "{node} at {station} is ready. Until it is commissioned it flags all that it sends: pantau node commission",
        "{node} di {station} siap. Sebelum mulai bertugas semua kirimannya ditandai: pantau node commission",
    ),
    "setup.batch_column": (
        "The CSV file has columns that mean nothing here: {names}. Known: {known}",
        "Berkas CSV memuat kolom yang tidak dikenal: {names}. Yang dikenal: {known}",
    ),
    "setup.batch_station": (
        "Line {line} of the CSV file: a row needs its station, under a header that names the columns.",
        "Baris {line} pada berkas CSV: setiap baris memerlukan stasiun, di bawah judul yang menyebut kolom.",
    ),
    "setup.batch_twice": (
        "Line {line} of the CSV file: {row} stands there twice; name the nodes apart.",
        "Baris {line} pada berkas CSV: {row} tertulis dua kali; bedakan nodenya.",
    ),
    "setup.batch_many": (
        "The CSV file has more than {most} rows: split it.",
        "Berkas CSV memuat lebih dari {most} baris: bagi berkasnya.",
    ),
    "setup.batch_number": (
        "Line {line} of the CSV file: interval is seconds in 1..86400.",
        "Baris {line} pada berkas CSV: interval adalah detik dalam 1..86400.",
    ),
    "setup.batch_nobody": (
        "No new board came for {s} s. Run the command again: what is done stays done.",
        "Tidak ada papan baru selama {s} detik. Jalankan lagi perintah ini: yang selesai tetap selesai.",
    ),
    "setup.batch_next": (
        "Board {n} of {m}, for {row}: plug it in.",
        "Papan {n} dari {m}, untuk {row}: pasang kabelnya.",
    ),
    "setup.batch_good": ("  {row}: {node} is on board {serial}.", "  {row}: {node} ada di papan {serial}."),
    "setup.batch_bad": ("  {row}: failed: {said}", "  {row}: gagal: {said}"),
    "setup.batch_summary": (
        "{good} of {m} boards are ready, {bad} failed, {left} not begun.",
        "{good} dari {m} papan siap, {bad} gagal, {left} belum dimulai.",
    ),
    "setup.batch_again": (
        "Run the same command again for the rest.",
        "Jalankan lagi perintah yang sama untuk sisanya.",
    ),
}
