"""Sentences of `pantau node provision`."""

WORDS = {
    "provision.id": (
        "{node} is no node id: 1 to 23 of a-z, 0-9 and hyphen.",
        "{node} bukan id node: 1 sampai 23 karakter a-z, 0-9, dan tanda hubung.",
    ),
    "provision.revoked": (
        "{node} was revoked and is never given again: choose another id.",
        "{node} sudah dicabut dan tidak diberikan lagi: pilih id lain.",
    ),
    "provision.given": (
        "{node} is the board {board}. Another board is another node: choose another id; in its place at the station: --replace {node}",
        "{node} adalah papan {board}. Papan lain adalah node lain: pilih id lain; sebagai penggantinya di stasiun: --replace {node}",
    ),
    "provision.another": (
        "This board is the node {node} and may hold records that were not sent: pantau node pull. Then make it another by --over",
        "Papan ini adalah node {node} dan mungkin menyimpan rekaman yang belum terkirim: pantau node pull. Lalu jadikan node lain dengan --over",
    ),
    "provision.long": (
        "{file} has {size} bytes and a node keeps {most}: name fewer sensors.",
        "{file} berisi {size} byte dan node menyimpan {most}: sebutkan lebih sedikit sensor.",
    ),
    "provision.sensor": (
        "{text}: name a sensor as model:bus=number, like a02yyuw:uart=1 or sht4x:i2c=0,address=0x44",
        "{text}: sebutkan sensor sebagai model:bus=nomor, misalnya a02yyuw:uart=1 atau sht4x:i2c=0,address=0x44",
    ),
    "provision.model": (
        "No driver reads a {model}. There are: {known}",
        "Tidak ada driver untuk {model}. Yang ada: {known}",
    ),
    "provision.board": (
        "There is no board {board}. Known: {known}",
        "Papan {board} tidak dikenal. Yang dikenal: {known}",
    ),
    "provision.bus": (
        "A {board} has no {bus} {number} for {model}: see docs/wiring.md",
        "{board} tidak punya {bus} {number} untuk {model}: lihat docs/wiring.md",
    ),
    "provision.twice": (
        "Two sensors are on {bus} {number}: give each its own.",
        "Dua sensor memakai {bus} {number}: beri masing-masing satu.",
    ),
    "provision.station": (
        "{registry} has no station {station}. There are: {known}",
        "{registry} tidak memuat stasiun {station}. Yang ada: {known}",
    ),
    "provision.occupied": (
        "At {station} stands {there}. Say what becomes of it: --replace {there}, or --beside where both stay.",
        "Di {station} sudah ada {there}. Tentukan: --replace {there}, atau --beside bila keduanya tetap.",
    ),
    "provision.elsewhere": (
        "{node} stands at {station} by the registry. Choose another id, or move it there first.",
        "Menurut registry, {node} berada di {station}. Pilih id lain, atau pindahkan dulu di sana.",
    ),
    "provision.missing": (
        "Not given, and nobody is here to be asked: {option}",
        "Tidak diberikan, dan tidak ada yang dapat ditanya: {option}",
    ),
    "provision.no_application": (
        "There is no application on this board yet: pantau node install",
        "Belum ada aplikasi di papan ini: pantau node install",
    ),
    "provision.private": (
        "{file} is open to other users: chmod 600 {file}",
        "{file} dapat dibaca pengguna lain: chmod 600 {file}",
    ),
    "provision.no_password_file": ("{file} cannot be read: {why}", "{file} tidak dapat dibaca: {why}"),
    "provision.wifi_short": (
        "A Wi-Fi password has 8 to 63 characters; an open network has none.",
        "Kata sandi Wi-Fi terdiri dari 8 sampai 63 karakter; jaringan terbuka tidak memakainya.",
    ),
    "provision.registry_changed": (
        "{registry} was changed by somebody else meanwhile and is left so; run the command again.",
        "{registry} sementara itu diubah orang lain dan dibiarkan; jalankan lagi perintah ini.",
    ),
    "provision.ask_station": ("Station ({known})", "Stasiun ({known})"),
    "provision.ask_node": ("Node id", "Id node"),
    "provision.ask_replace": (
        "{there} stands at {station}. Does this board replace it",
        "{there} berada di {station}. Apakah papan ini menggantikannya",
    ),
    "provision.ask_board": ("Board ({known})", "Papan ({known})"),
    "provision.ask_wifi": ("Wi-Fi network", "Jaringan Wi-Fi"),
    "provision.ask_password": (
        "Wi-Fi password (not shown; empty: open network)",
        "Kata sandi Wi-Fi (tidak ditampilkan; kosong: jaringan terbuka)",
    ),
    "provision.ask_apn": ("APN of the SIM card", "APN kartu SIM"),
    "provision.ask_go": ("Write this to the board", "Tulis ini ke papan"),
    "provision.board_is": ("board     {machine}, as {board}", "papan     {machine}, sebagai {board}"),
    "provision.node_is": ("node      {node} at {station} ({domain})", "node      {node} di {station} ({domain})"),
    "provision.sends": ("sends to  {host}:{port} over {link}", "kirim ke  {host}:{port} lewat {link}"),
    "provision.wire": ("wiring    {model} on {bus}: {lines}", "kabel     {model} di {bus}: {lines}"),
    "provision.unlocking": ("{node} opens its REPL ...", "{node} membuka REPL-nya ..."),
    "provision.copying": ("to the board", "ke papan"),
    "provision.done": (
        "The board at {port} is {node} now: {count} file(s) written and read back. Its secrets are in the key store.",
        "Papan di {port} sekarang adalah {node}: {count} berkas ditulis dan dibaca ulang. Rahasianya ada di key store.",
    ),
    "provision.same": (
        "The board at {port} was {node} already; nothing was written.",
        "Papan di {port} memang sudah {node}; tidak ada yang ditulis.",
    ),
    "provision.placed": ("{registry}: {node} stands at {station} now.", "{registry}: {node} sekarang di {station}."),
    "provision.replaced": (
        "{registry}: {old} leaves {station}, {node} comes.",
        "{registry}: {old} meninggalkan {station}, {node} datang.",
    ),
    "provision.broker": (
        "New for the broker: copy {folder} there and have it read its files again.",
        "Baru untuk broker: salin {folder} ke sana dan minta broker membaca ulang berkasnya.",
    ),
}
