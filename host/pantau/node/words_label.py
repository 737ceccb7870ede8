"""Sentences of `pantau node label`."""

WORDS = {
    "label.none": (
        "No node stands at a station now. Name one: pantau node label NODE --station STATION",
        "Saat ini tidak ada node di stasiun mana pun. Sebutkan satu: pantau node label NODE --station STASIUN",
    ),
    "label.unplaced": (
        "{node} stands at no station now. Say where it will stand: --station STATION",
        "{node} saat ini tidak ada di stasiun mana pun. Sebutkan tempatnya nanti: --station STASIUN",
    ),
    "label.station": ("No station has the id {station}.", "Tidak ada stasiun dengan id {station}."),
    "label.wrote": (
        "Wrote {path}: {count} label(s) of {width} x {height} mm, {pages} page(s). Print at 100 %, not fitted to the page.",
        "{path} ditulis: {count} label ukuran {width} x {height} mm, {pages} halaman. Cetak pada 100 %, jangan disesuaikan ke halaman.",
    ),
}
