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
    "look.keys": (
        "Orders are signed with the node's key: name your key store by --keys FILE, or the bridge's {config} by --config.",
        "Perintah ditandatangani dengan kunci node: sebutkan berkas kunci Anda dengan --keys BERKAS, atau {config} jembatan dengan --config.",
    ),
    "look.passphrase": ("Passphrase of {file}", "Frasa sandi untuk {file}"),
    "look.no_key": (
        "There is no key of {node} in your key file: fetch the current one, or provision the node (pantau node provision).",
        "Tidak ada kunci {node} di berkas kunci Anda: ambil yang terbaru, atau bekali node (pantau node provision).",
    ),
    "look.refuses": ("The node refuses: {detail}", "Node menolak: {detail}"),
    "look.not_set": (
        "The node refuses the change, and goes on as it was: {detail}",
        "Node menolak perubahan, dan berjalan seperti semula: {detail}",
    ),
    "look.trial": (
        "Generation {generation} is on trial: the node restarts with it within 10 s, and goes back by itself unless the bridge acknowledges a frame. Look again: pantau node status",
        "Generasi {generation} sedang dicoba: node memulai ulang dengannya dalam 10 dtk, dan kembali sendiri jika jembatan tidak mengakui satu bingkai pun. Lihat lagi: pantau node status",
    ),
    "look.unchanged": (
        "The node has these values already; nothing changes.",
        "Node sudah memakai nilai ini; tidak ada yang berubah.",
    ),
    "look.secret": ("New value of {what} (not shown)", "Nilai baru {what} (tidak ditampilkan)"),
    "look.maintained": (
        "{node} is under maintenance for {minutes} min: records are flagged, no alarms, the siren is silent. Then it is in service by itself.",
        "{node} dalam perawatan selama {minutes} mnt: rekaman ditandai, tanpa peringatan, sirene diam. Setelah itu bertugas lagi sendiri.",
    ),
    "look.maintained_off": ("{node} is in service again.", "{node} bertugas lagi."),
    "look.unlocked": (
        "{node} stops and opens its REPL at {port} for {minutes} min; then it restarts by itself. Now: pantau node install, provision, or mpremote.",
        "{node} berhenti dan membuka REPL di {port} selama {minutes} mnt; lalu memulai ulang sendiri. Sekarang: pantau node install, provision, atau mpremote.",
    ),
    "look.testing": ("reading every sensor", "membaca setiap sensor"),
    "look.state_good": ("good", "baik"),
    "look.state_doubtful": ("doubtful", "ragu"),
    "look.state_bad": ("BAD", "RUSAK"),
    "look.no_sensors": (
        "{node} has no sensor in its configuration: pantau node set 'sensors=[...]'",
        "{node} tidak punya sensor di konfigurasinya: pantau node set 'sensors=[...]'",
    ),
    "look.tested_good": ("{node}: all {count} sensors are good.", "{node}: semua {count} sensor baik."),
    "look.tested_doubtful": (
        "{node}: every sensor answers, and something should be looked at (arrows above).",
        "{node}: setiap sensor menjawab, dan ada yang perlu diperiksa (panah di atas).",
    ),
    "look.tested_bad": (
        "{node}: not fit for service yet. Do what the arrows say, and test again.",
        "{node}: belum layak bertugas. Lakukan petunjuk panah, lalu uji lagi.",
    ),
    "look.pulling": ("from the node", "dari node"),
    "look.pulled": (
        "{new} frames of {node} are new in {file}, {had} were there already. The node keeps all. Next: pantau replay {file}",
        "{new} bingkai {node} baru di {file}, {had} sudah ada. Node menyimpan semuanya. Berikutnya: pantau replay {file}",
    ),
    "look.unread": (
        "{left} frames could not be read from the node's flash: run pantau node doctor, and plan to change the board.",
        "{left} bingkai tidak terbaca dari flash node: jalankan pantau node doctor, dan rencanakan ganti papan.",
    ),
    "look.disk": (
        "{file} cannot be written: {reason}. What was copied stays; make room and run the command again.",
        "{file} tidak dapat ditulis: {reason}. Yang sudah disalin tetap; kosongkan ruang lalu jalankan lagi.",
    ),
    "look.problems": ("Wrong in its configuration: {text}", "Salah di konfigurasinya: {text}"),
    "look.defect": ("Last defect: {text}", "Cacat terakhir: {text}"),
    "look.no_log": ("It has said nothing since its start.", "Belum mengatakan apa pun sejak mulai."),
    "look.day": ("{n} days", "{n} hari"),
    "look.hour": ("{n} h", "{n} jam"),
    "look.minute": ("{n} min", "{n} mnt"),
    "look.second": ("{n} s", "{n} dtk"),
    "look.who": (
        "{node}: {station} station, board {board}, firmware {version}{more}",
        "{node}: stasiun {station}, papan {board}, firmware {version}{more}",
    ),
    "look.setup": (
        "In set-up mode: records are flagged and nothing is an alarm until pantau node commission",
        "Dalam mode penyiapan: rekaman ditandai dan tanpa peringatan sampai pantau node commission",
    ),
    "look.maintenance": (
        "Under maintenance for {left}: records are flagged, no alarms",
        "Dalam perawatan selama {left}: rekaman ditandai, tanpa peringatan",
    ),
    "look.service": ("In service", "Bertugas"),
    "look.clock": (
        "Clock: {quality}, {off} s from this computer's",
        "Jam: {quality}, {off} dtk dari komputer ini",
    ),
    "look.clock_unset": (
        "The clock is not set: records are dated later. It sets itself when the bridge or SNTP is reached; commission sets it from this computer.",
        "Jam belum disetel: rekaman diberi tanggal kemudian. Disetel sendiri saat jembatan atau SNTP tercapai; commission menyetelnya dari komputer ini.",
    ),
    "look.clock_carried": ("carried over a restart", "dibawa melewati mulai ulang"),
    "look.clock_coarse": ("coarse", "kasar"),
    "look.clock_synchronised": ("synchronised", "sinkron"),
    "look.clock_off": (
        "The node's clock is {off} s from this computer's: one of them is wrong. Check this computer first.",
        "Jam node berbeda {off} dtk dari komputer ini: salah satunya keliru. Periksa dulu komputer ini.",
    ),
    "look.up": ("Up for {up}, boot {boot}, started by {cause}", "Menyala {up}, boot {boot}, dimulai oleh {cause}"),
    "look.reset_power": ("power-on (or a brownout)", "daya (atau tegangan turun)"),
    "look.reset_hard": ("a reset", "reset"),
    "look.reset_watchdog": ("the watchdog", "watchdog"),
    "look.reset_sleep": ("waking from sleep", "bangun dari tidur"),
    "look.reset_soft": ("a restart", "mulai ulang"),
    "look.reset_other": ("something unknown", "sebab tak dikenal"),
    "look.link": ("Link {kind}: {state}{signal}; {acked}", "Sambungan {kind}: {state}{signal}; {acked}"),
    "look.link_up": ("connected", "tersambung"),
    "look.link_down": ("not connected", "tidak tersambung"),
    "look.acked": ("the bridge acknowledged {ago} ago", "jembatan mengakui {ago} lalu"),
    "look.never_acked": (
        "the bridge has acknowledged nothing since the start",
        "jembatan belum mengakui apa pun sejak mulai",
    ),
    "look.weak": (
        "The signal is weak ({rssi} dBm): turn or raise the antenna, or move the access point; -80 dBm and better is reliable.",
        "Sinyal lemah ({rssi} dBm): putar atau naikkan antena, atau pindahkan titik akses; -80 dBm ke atas andal.",
    ),
    "look.waits": (
        "Records have waited for {ago} for an acknowledgement: check Wi-Fi name and password, broker, and that the bridge knows this node's key.",
        "Rekaman menunggu pengakuan selama {ago}: periksa nama dan sandi Wi-Fi, broker, dan apakah jembatan mengenal kunci node ini.",
    ),
    "look.holds": ("Holds {frames} frames, {records} records", "Menyimpan {frames} bingkai, {records} rekaman"),
    "look.config_0": ("Configuration: generation {n}", "Konfigurasi: generasi {n}"),
    "look.config_1": (
        "Configuration: generation {n} ON TRIAL until the bridge acknowledges a frame",
        "Konfigurasi: generasi {n} DICOBA sampai jembatan mengakui satu bingkai",
    ),
    "look.config_2": (
        "Configuration: generation {n}; the last change did not prove itself and was taken back",
        "Konfigurasi: generasi {n}; perubahan terakhir tidak terbukti dan dibatalkan",
    ),
    "look.config_3": (
        "Configuration: defaults, no copy can be read: pantau node provision",
        "Konfigurasi: bawaan, tidak ada salinan yang terbaca: pantau node provision",
    ),
    "look.update": ("Update: state {state}, {have} bytes here", "Pembaruan: keadaan {state}, {have} bita di sini"),
    "look.wrong": ("To look at:", "Perlu diperiksa:"),
    "look.config_errors": ("configuration: {text}", "konfigurasi: {text}"),
    "look.last_exception": ("last defect: {text}", "cacat terakhir: {text}"),
    "look.overwritten_records": (
        "{n} records were overwritten before they could be sent: the outage was longer than the outbox",
        "{n} rekaman tertimpa sebelum terkirim: gangguan lebih lama dari outbox",
    ),
    "look.flash_errors": (
        "the flash refused {n} writes: plan to change the board",
        "flash menolak {n} penulisan: rencanakan ganti papan",
    ),
    "look.forged": (
        "{n} orders or acknowledgements were refused as forged: does the bridge use another key than the node?",
        "{n} perintah atau pengakuan ditolak sebagai palsu: apakah jembatan memakai kunci lain dari node?",
    ),
    "look.restarts": (
        "{n} restarts in a row without a delivery",
        "{n} kali mulai ulang berturut-turut tanpa pengiriman",
    ),
    "look.safe_profile": (
        "it runs a safe profile ({n}: 1 without sensors, 2 from the other slot) after too many restarts",
        "berjalan dalam profil aman ({n}: 1 tanpa sensor, 2 dari slot lain) setelah terlalu sering mulai ulang",
    ),
    "look.sensor_errors": ("sensor {n}: {text}", "sensor {n}: {text}"),
    "look.gathering": ("asking the node at {port} ...", "bertanya pada node di {port} ..."),
}
