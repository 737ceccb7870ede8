"""Sentences of `pantau node install`."""

WORDS = {
    "install.old": (
        "This board runs MicroPython {version}; Pantau needs 1.25 or newer. Flash a newer image: pantau node flash --image FILE",
        "Papan ini menjalankan MicroPython {version}; Pantau memerlukan 1.25 atau lebih baru. Tulis image yang lebih baru: pantau node flash --image BERKAS",
    ),
    "install.mpy": (
        "This board takes .mpy files of format {has}, Pantau's are of format {needs}: flash a MicroPython that fits, or update Pantau.",
        "Papan ini menerima berkas .mpy format {has}, milik Pantau berformat {needs}: pasang MicroPython yang sesuai, atau perbarui Pantau.",
    ),
    "install.room": (
        "The application needs {needs} KiB on the board's disk and {free} KiB are free. Remove what is not Pantau's: mpremote fs ls",
        "Aplikasi memerlukan {needs} KiB di penyimpanan papan dan yang kosong {free} KiB. Hapus yang bukan milik Pantau: mpremote fs ls",
    ),
    "install.compiling": ("compiling for {arch}", "mengompilasi untuk {arch}"),
    "install.copying": ("to the board", "ke papan"),
    "install.done": (
        "Pantau {version} is on the board at {port}: {written} file(s) written, {kept} were there already, {removed} removed. Next: pantau node provision",
        "Pantau {version} sudah ada di papan pada {port}: {written} berkas ditulis, {kept} sudah ada, {removed} dihapus. Berikutnya: pantau node provision",
    ),
    "install.same": (
        "Pantau {version} was on the board at {port} already; nothing was written.",
        "Pantau {version} memang sudah ada di papan pada {port}; tidak ada yang ditulis.",
    ),
}
