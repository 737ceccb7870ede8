"""Sentences of `pantau node commission`. What fails is told as commission.<check>_not."""

WORDS = {
    "commission.sensors": ("All {count} sensors answer", "Semua {count} sensor menjawab"),
    "commission.sensors_not": (
        "Not every sensor is well: {bad}. What to check: pantau node selftest",
        "Ada sensor yang tidak baik: {bad}. Yang perlu diperiksa: pantau node selftest",
    ),
    "commission.still": ("{n} samples in a row stand still", "{n} cuplikan berturut-turut stabil"),
    "commission.still_not": (
        "{n} samples in a row are not steady: {moving}. Look for what moves in the beam or shakes the bracket; wait for still water.",
        "{n} cuplikan berturut-turut tidak stabil: {moving}. Cari yang bergerak di berkas atau menggoyang braket; tunggu air tenang.",
    ),
    "commission.delivery": (
        "The bridge acknowledged {ack_s} s ago: data arrive",
        "Jembatan mengakui {ack_s} dtk lalu: data sampai",
    ),
    "commission.delivery_not": (
        "The bridge has acknowledged nothing since the start. Check Wi-Fi, broker, and that the bridge has this node's key (pantau node status).",
        "Jembatan belum mengakui apa pun sejak mulai. Periksa Wi-Fi, broker, dan apakah jembatan punya kunci node ini (pantau node status).",
    ),
    "commission.signal": ("Signal {rssi} dBm", "Sinyal {rssi} dBm"),
    "commission.signal_not": (
        "The signal is {rssi} dBm: less than -80 is not reliable. Turn or raise the antenna, or move the access point.",
        "Sinyal {rssi} dBm: di bawah -80 tidak andal. Putar atau naikkan antena, atau pindahkan titik akses.",
    ),
    "commission.clock": ("Clock set, {off} s from this computer's", "Jam disetel, {off} dtk dari komputer ini"),
    "commission.clock_not": (
        "The clock is not good ({off} s from this computer's). Is this computer's clock right? Then connect the node to the bridge or SNTP.",
        "Jam tidak baik ({off} dtk dari komputer ini). Apakah jam komputer ini benar? Lalu sambungkan node ke jembatan atau SNTP.",
    ),
    "commission.zero": ("The sensor is {zero} above the datum", "Sensor {zero} di atas datum"),
    "commission.zero_not": (
        "No zero reference: read the staff gauge now (--gauge METRES), or level the sensor (--zero METRES above the datum).",
        "Tidak ada acuan nol: baca papan duga sekarang (--gauge METER), atau ukur sensor (--zero METER di atas datum).",
    ),
    "commission.mount": ("Mounted {mount} above the ground", "Terpasang {mount} di atas tanah"),
    "commission.mount_not": (
        "No mounting height: measure from the sensor's face straight down (--mount METRES).",
        "Tidak ada tinggi pemasangan: ukur dari muka sensor tegak lurus ke bawah (--mount METER).",
    ),
    "commission.mount_range": (
        "The {model} measures from {least} to {most} and hangs {mount} above the ground: move it, or take another sensor.",
        "{model} mengukur dari {least} sampai {most} dan tergantung {mount} di atas tanah: pindahkan, atau pakai sensor lain.",
    ),
    "commission.mount_beyond": (
        "It measures {distance}, farther than the ground ({mount}): is the height right, and does it look straight down?",
        "Ia mengukur {distance}, lebih jauh dari tanah ({mount}): apakah tingginya benar, dan apakah tegak lurus ke bawah?",
    ),
    "commission.position": ("Position {where}", "Posisi {where}"),
    "commission.position_not": (
        "No position: read it from a phone (--position LAT,LON).",
        "Tidak ada posisi: baca dari ponsel (--position LINTANG,BUJUR).",
    ),
    "commission.photo": ("Photo {file}", "Foto {file}"),
    "commission.photo_not": (
        "No photo: take one with sensor, water and surroundings on it (--photo FILE).",
        "Tidak ada foto: ambil satu dengan sensor, air, dan sekitarnya (--photo BERKAS).",
    ),
    "commission.failed": (
        "{count} checks fail: {names}. Set them right and run the command again; or go on all the same with --accept REASON, which is recorded.",
        "{count} pemeriksaan gagal: {names}. Perbaiki lalu jalankan lagi; atau lanjutkan dengan --accept ALASAN, yang dicatat.",
    ),
    "commission.sampling": ("ten samples", "sepuluh cuplikan"),
    "commission.who": ("Your name", "Nama Anda"),
    "commission.ask_mount": (
        "Sensor above the ground or river bed, metres",
        "Sensor di atas tanah atau dasar sungai, meter",
    ),
    "commission.ask_gauge": (
        "Reading of the staff gauge now, metres (empty: none)",
        "Bacaan papan duga sekarang, meter (kosong: tidak ada)",
    ),
    "commission.ask_zero": (
        "Sensor above the datum, metres (empty: unknown)",
        "Sensor di atas datum, meter (kosong: tidak tahu)",
    ),
    "commission.ask_position": ("Position LAT,LON (empty: none)", "Posisi LINTANG,BUJUR (kosong: tidak ada)"),
    "commission.ask_photo": ("Photo, a file (empty: none)", "Foto, sebuah berkas (kosong: tidak ada)"),
    "commission.ask_accept": (
        "Go on all the same because (empty: stop here)",
        "Tetap lanjut karena (kosong: berhenti di sini)",
    ),
    "commission.missing": ("Tell who commissions it: --who NAME", "Sebutkan siapa yang menugaskan: --who NAMA"),
    "commission.show": ("This is recorded and signed by the node:", "Ini dicatat dan ditandatangani oleh node:"),
    "commission.send": ("Put the station into service", "Tugaskan stasiun"),
    "commission.stopped": (
        "Nothing was sent; the station stays in set-up mode.",
        "Tidak ada yang dikirim; stasiun tetap dalam mode penyiapan.",
    ),
    "commission.too_long": (
        "The record has {size} bytes and {most} fit: shorten --note, --accept or the photo's file name.",
        "Catatan berukuran {size} bita dan muat {most}: persingkat --note, --accept, atau nama berkas foto.",
    ),
    "commission.refused": (
        "The node refuses: {detail}. The station stays in set-up mode; the record is kept in {file}.",
        "Node menolak: {detail}. Stasiun tetap dalam mode penyiapan; catatan disimpan di {file}.",
    ),
    "commission.not_clock": (
        "The node does not take this computer's time: {detail}. Set this computer's clock right, and run the command again.",
        "Node tidak menerima jam komputer ini: {detail}. Betulkan jam komputer ini, lalu jalankan lagi.",
    ),
    "commission.done": (
        "{node} is in service. The signed record is in its outbox and goes to the bridge; a copy is in {file}.",
        "{node} bertugas. Catatan bertanda tangan ada di outbox-nya dan menuju jembatan; salinannya di {file}.",
    ),
    "commission.dry": ("Nothing was sent (--dry-run).", "Tidak ada yang dikirim (--dry-run)."),
}
