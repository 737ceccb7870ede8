"""Sentences of `pantau node flash`."""

WORDS = {
    "flash.no_image": (
        "The file is no whole MicroPython image for an ESP32 (bootloader, partition table and application in one .bin). Download the .bin of your board from micropython.org.",
        "Berkas ini bukan image MicroPython lengkap untuk ESP32 (bootloader, tabel partisi, dan aplikasi dalam satu .bin). Unduh .bin untuk papan Anda dari micropython.org.",
    ),
    "flash.chip": (
        "The chip is an {chip}, the image is for an {image}: nothing was written. Take the image for {chip}.",
        "Chip ini {chip}, image ini untuk {image}: tidak ada yang ditulis. Pakai image untuk {chip}.",
    ),
    "flash.large": (
        "The image takes {size} KiB and the flash has {flash} KiB: no room for the node beside it, nothing was written. Take a board with at least 4 MiB.",
        "Image ini memakai {size} KiB dan flash hanya {flash} KiB: tidak ada ruang untuk node, tidak ada yang ditulis. Pakai papan dengan setidaknya 4 MiB.",
    ),
    "flash.lost": (
        "The chip at {port} does not answer as it should ({said}). Hold BOOT while plugging in, check the cable, and run the command again: it finishes the job.",
        "Chip di {port} tidak menjawab semestinya ({said}). Tahan BOOT saat mencolokkan, periksa kabel, lalu jalankan lagi perintah ini: pekerjaan akan diselesaikan.",
    ),
    "flash.stopped": (
        "Stopped; the chip at {port} may be half written. Run the command again: it finishes the job.",
        "Dihentikan; chip di {port} mungkin baru tertulis sebagian. Jalankan lagi perintah ini: pekerjaan akan diselesaikan.",
    ),
    "flash.writing": ("writing", "menulis"),
    "flash.done": (
        "{chip} {mac} with {flash} MiB flash: {size} KiB written and verified, {kept}. Next: pantau node install",
        "{chip} {mac} dengan flash {flash} MiB: {size} KiB ditulis dan diverifikasi, {kept}. Berikutnya: pantau node install",
    ),
    "flash.kept": ("what the node kept is still there", "simpanan node tetap ada"),
    "flash.new": ("new partitions: {labels}", "partisi baru: {labels}"),
    "flash.esptool": (
        "esptool is not installed: pip install 'pantau[field]'",
        "esptool belum terpasang: pip install 'pantau[field]'",
    ),
}
