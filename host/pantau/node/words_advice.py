"""What to check when a sensor is not well: advice.<family or bus or any>.<reason>; judge.py finds the most special one.

Lines are what a technician can do on a ladder, in the order of what is most often wrong.
"""

WORDS = {
    # Any sensor.
    "advice.any.not_made": (
        "The node could not set it up: its configuration is wrong (pantau node logs shows what). Check model, bus and pins.",
        "Node tidak dapat menyiapkannya: konfigurasinya salah (lihat pantau node logs). Periksa model, bus, dan pin.",
    ),
    "advice.any.silent": (
        "It is in no record yet: wait for one sampling interval and test again; then check wire and power.",
        "Belum ada di satu pun rekaman: tunggu satu selang pencuplikan lalu uji lagi; kemudian periksa kabel dan daya.",
    ),
    "advice.any.old": (
        "This is the last regular record, no fresh one: the node is busy or its outbox crowded. Test again in a minute.",
        "Ini rekaman rutin terakhir, bukan yang baru: node sibuk atau outbox-nya penuh. Uji lagi sebentar lagi.",
    ),
    "advice.any.absent": (
        "It has not answered since power-on. Check its supply at the sensor's end, then each wire.",
        "Belum menjawab sejak dinyalakan. Periksa dayanya di ujung sensor, lalu setiap kabel.",
    ),
    "advice.any.timeout": (
        "It answered before and does not now: a loose plug, or a supply that sags. Move the plug while testing again.",
        "Tadi menjawab dan sekarang tidak: konektor longgar, atau daya turun. Gerakkan konektor sambil menguji lagi.",
    ),
    "advice.any.checksum": (
        "What it says arrives damaged: too long a cable, no common ground, or a pump or siren beside it.",
        "Datanya tiba rusak: kabel terlalu panjang, ground tidak bersama, atau ada pompa atau sirene di dekatnya.",
    ),
    "advice.any.warming": (
        "It is warming up. Test again in a few minutes (gas sensors: three, SGP41: five).",
        "Sedang pemanasan. Uji lagi beberapa menit lagi (sensor gas: tiga, SGP41: lima).",
    ),
    "advice.any.out_of_range": (
        "The value is outside what the sensor can measure. Compare with another instrument; then change the sensor.",
        "Nilainya di luar jangkauan sensor. Bandingkan dengan alat lain; lalu ganti sensornya.",
    ),
    "advice.any.stuck": (
        "The value has not moved for too long. Disturb the sensor (hand, breath, water) and test again; if it stays, change it.",
        "Nilainya tidak berubah terlalu lama. Ganggu sensor (tangan, napas, air) dan uji lagi; jika tetap, ganti.",
    ),
    "advice.any.spread": (
        "Its readings disagree. Look for what moves, shakes or shines in front of it; then check the supply.",
        "Bacaannya tidak sepakat. Cari yang bergerak, bergetar, atau menghalangi di depannya; lalu periksa daya.",
    ),
    "advice.any.device_fault": (
        "The sensor reports a fault of its own. Switch it off for ten seconds; if it stays, change it.",
        "Sensor melaporkan kerusakannya sendiri. Matikan sepuluh detik; jika tetap, ganti.",
    ),
    "advice.any.no_echo": (
        "The sensor works and sees nothing: is there something to measure within its range?",
        "Sensor bekerja dan tidak melihat apa pun: adakah yang dapat diukur dalam jangkauannya?",
    ),
    "advice.any.bounce": (
        "Contacts close faster than they can: a chattering switch or a wet plug.",
        "Kontak menutup lebih cepat dari yang mungkin: saklar bergetar atau konektor basah.",
    ),
    "advice.any.other": ("It tells of {cause}: see docs/quality.md.", "Ia melaporkan {cause}: lihat docs/quality.md."),
    # By bus.
    "advice.uart.absent": (
        "Nothing comes from it. Is it powered (5 V at the sensor)? Its TX goes to the board's RX: swap the two wires. Is it on the UART that the configuration names? Common ground?",
        "Tidak ada data. Apakah ada daya (5 V di sensor)? TX sensor ke RX papan: tukar kedua kabel. Apakah pada UART yang disebut konfigurasi? Ground bersama?",
    ),
    "advice.i2c.absent": (
        "Nobody answers at its address. Check SDA and SCL (swapped?), 4.7 kOhm to 3.3 V once per bus, 3.3 V at the sensor, and the address: many modules have two, by a pin or bridge.",
        "Tidak ada yang menjawab di alamatnya. Periksa SDA dan SCL (tertukar?), 4,7 kOhm ke 3,3 V sekali per bus, 3,3 V di sensor, dan alamat: banyak modul punya dua, dipilih pin atau jembatan.",
    ),
    "advice.i2c.checksum": (
        "Its answers are damaged: shorten the I2C cable (below 1 m), check the pull-ups, keep it away from power wires.",
        "Jawabannya rusak: perpendek kabel I2C (kurang dari 1 m), periksa pull-up, jauhkan dari kabel daya.",
    ),
    # Ultrasonic level: A02YYUW and its packet family.
    "advice.sonar.absent": (
        "No packet at all. Check 5 V and ground at the sensor, and that its TX goes to the board's RX. JSN-SR04T and AJ-SR04M: the mode resistor must be that of serial output (47k automatic, 120k on request); without it they say nothing.",
        "Tidak ada paket. Periksa 5 V dan ground di sensor, dan TX sensor ke RX papan. JSN-SR04T dan AJ-SR04M: resistor mode harus untuk keluaran serial (47k otomatis, 120k atas permintaan); tanpa itu sensor diam.",
    ),
    "advice.sonar.no_echo": (
        "It gets no echo (0 mm). Is its face wet, dusty or does it look into a wide opening? It must look straight down at the water, with no pipe or wall in its beam.",
        "Tidak ada gema (0 mm). Apakah permukaannya basah, berdebu, atau menghadap lubang lebar? Harus tegak lurus ke air, tanpa pipa atau dinding di berkasnya.",
    ),
    "advice.sonar.out_of_range": (
        "The distance is outside its range. Too near: the blind zone (A02YYUW 3 cm, JSN-SR04T 20 to 25 cm, A01NYUB 28 cm): mount it higher. Too far: A02YYUW ends at 4.5 m, A01NYUB at 7.5 m.",
        "Jarak di luar jangkauan. Terlalu dekat: zona buta (A02YYUW 3 cm, JSN-SR04T 20 sampai 25 cm, A01NYUB 28 cm): pasang lebih tinggi. Terlalu jauh: A02YYUW sampai 4,5 m, A01NYUB 7,5 m.",
    ),
    "advice.sonar.spread": (
        "Its readings disagree. Look for cobwebs, leaves, spray, a pipe or a wall in the beam (JSN-SR04T: up to 75 degrees wide), and whether the bracket swings.",
        "Bacaannya tidak sepakat. Cari sarang laba-laba, daun, percikan, pipa, atau dinding di berkas (JSN-SR04T: lebar sampai 75 derajat), dan apakah braket berayun.",
    ),
    "advice.sonar.warming": (
        "It was switched on a moment ago; its first three packets are thrown away. Test again.",
        "Baru saja dinyalakan; tiga paket pertamanya dibuang. Uji lagi.",
    ),
    "advice.sonar.stuck": (
        "The distance does not move by a millimetre. Hold a board under it: if the value does not follow, its face is coated or it is broken. A dry street may well stand still.",
        "Jarak tidak berubah satu milimeter pun. Pegang papan di bawahnya: jika nilai tidak ikut, permukaannya tertutup atau rusak. Jalan kering memang bisa diam.",
    ),
    # MaxBotix.
    "advice.maxbotix.absent": (
        "No line at all. Check 5 V and ground, its pin 5 to the board's RX. MB736x speak inverted RS-232 levels, MB738x TTL: is the model in the configuration the one printed on the sensor?",
        "Tidak ada baris. Periksa 5 V dan ground, pin 5 ke RX papan. MB736x berlevel RS-232 terbalik, MB738x TTL: apakah model di konfigurasi sama dengan yang tercetak di sensor?",
    ),
    "advice.maxbotix.checksum": (
        "Its lines are not readable: the wrong of MB736x (inverted) and MB738x (TTL) in the configuration, or noise on the wire.",
        "Barisnya tidak terbaca: MB736x (terbalik) dan MB738x (TTL) tertukar di konfigurasi, atau derau di kabel.",
    ),
    "advice.maxbotix.no_echo": (
        "It sees no target (5000 or 9999). It must look straight down, at most 5 m (MB7388, MB7368: 10 m), with nothing beside it.",
        "Tidak ada sasaran (5000 atau 9999). Harus tegak lurus ke bawah, paling jauh 5 m (MB7388, MB7368: 10 m), tanpa apa pun di sampingnya.",
    ),
    "advice.maxbotix.out_of_range": (
        "300 mm is its least: what is nearer is told as 300. Mount it higher (FloodNet: 2 to 3 m above the ground).",
        "300 mm adalah batas terdekatnya: yang lebih dekat tetap 300. Pasang lebih tinggi (FloodNet: 2 sampai 3 m di atas tanah).",
    ),
    # Submersible transducer.
    "advice.transducer.absent": (
        "The ADS1115 does not answer: SDA and SCL, 3.3 V, and its address (0x48 with ADDR at ground, 0x49 at VDD).",
        "ADS1115 tidak menjawab: SDA dan SCL, 3,3 V, dan alamatnya (0x48 dengan ADDR ke ground, 0x49 ke VDD).",
    ),
    "advice.transducer.device_fault": (
        "The loop is broken (below 3.6 mA) or shorted (above 21 mA). Measure the loop's 12 to 24 V at the transducer, its polarity, and 0.6 V over the 150 Ohm shunt in air.",
        "Loop putus (di bawah 3,6 mA) atau korslet (di atas 21 mA). Ukur 12 sampai 24 V di transduser, polaritasnya, dan 0,6 V pada shunt 150 Ohm di udara.",
    ),
    "advice.transducer.out_of_range": (
        "Deeper than the transducer is made for, or below zero. Is range_mm in the configuration the one on its label, and is the vent tube open?",
        "Lebih dalam dari rancangannya, atau di bawah nol. Apakah range_mm di konfigurasi sama dengan labelnya, dan pipa ventilasi terbuka?",
    ),
    "advice.transducer.spread": (
        "The loop is noisy: check the shunt's connection and keep the cable away from the pump. Waves do it, too: test in still water.",
        "Loop berderau: periksa sambungan shunt dan jauhkan kabel dari pompa. Ombak juga: uji di air tenang.",
    ),
    # Contacts.
    "advice.float.out_of_range": (
        "The contact is undecided. Lift the float by hand: the value must change after a few seconds.",
        "Kontak tidak tentu. Angkat pelampung dengan tangan: nilai harus berubah setelah beberapa detik.",
    ),
    "advice.float.warming": (
        "Its state must hold for some seconds before it counts. Test again.",
        "Keadaannya harus bertahan beberapa detik sebelum dihitung. Uji lagi.",
    ),
    "advice.float.stuck": (
        "Lift the float by hand: does the value change? Else mud holds it, or the wire is broken or shorted.",
        "Angkat pelampung dengan tangan: apakah nilai berubah? Jika tidak, tertahan lumpur, atau kabel putus atau korslet.",
    ),
    "advice.rain.bounce": (
        "Tips come faster than any rain (under 0.5 s). Is the funnel level and fixed? Does the pole shake? Is the reed contact chattering or its plug wet?",
        "Jungkitan lebih cepat dari hujan mana pun (kurang dari 0,5 dtk). Apakah corong rata dan kencang? Tiang bergetar? Kontak reed bergetar atau konektor basah?",
    ),
    "advice.rain.stuck": (
        "The contact stays closed: the bucket rests on its magnet, or the cable is shorted. Tip it by hand and count.",
        "Kontak tetap tertutup: ember berhenti di magnetnya, atau kabel korslet. Jungkitkan dengan tangan dan hitung.",
    ),
    "advice.rain.silent": (
        "Tip the bucket by hand three times and test again: rain_tips must say 3.",
        "Jungkitkan ember tiga kali dengan tangan dan uji lagi: rain_tips harus 3.",
    ),
    # Traffic.
    "advice.radar.absent": (
        "It does not answer. It needs 5 V and more than 300 mA: measure at the radar while it runs. Swap TX and RX. Its rate may be 256000 instead of 115200 baud: the node tries both, which takes five minutes.",
        "Tidak menjawab. Perlu 5 V dan lebih dari 300 mA: ukur di radar saat bekerja. Tukar TX dan RX. Lajunya bisa 256000, bukan 115200 baud: node mencoba keduanya, perlu lima menit.",
    ),
    "advice.radar.timeout": (
        "It answered before and is silent now. An empty road is silent as well, so the node asks it: it did not answer. Check its supply (300 mA) and plug.",
        "Tadi menjawab dan sekarang diam. Jalan kosong juga diam, jadi node bertanya: tidak dijawab. Periksa daya (300 mA) dan konektor.",
    ),
    "advice.loop.stuck": (
        "The detector stays occupied: a vehicle stands on the loop, or the relay is stuck. Reset the loop amplifier.",
        "Detektor tetap terisi: ada kendaraan di atas loop, atau relai macet. Setel ulang penguat loop.",
    ),
    "advice.loop.device_fault": (
        "The two loops disagree about how long vehicles stand on them: one is damaged, or pulses[0] and [1] are swapped.",
        "Kedua loop tidak sepakat berapa lama kendaraan di atasnya: satu rusak, atau pulses[0] dan [1] tertukar.",
    ),
    "advice.magnet.absent": (
        "No QMC5883L at 0x0D. Look-alike boards carry an HMC5883L (0x1E) or QMC5883P (0x2C): they have other registers and do not work here.",
        "Tidak ada QMC5883L di 0x0D. Papan serupa memakai HMC5883L (0x1E) atau QMC5883P (0x2C): registernya lain dan tidak bekerja di sini.",
    ),
    "advice.magnet.device_fault": (
        "Another chip, or one that does not fit: the marking must be QMC5883L (5883L). Iron or a loudspeaker near it overloads it.",
        "Chip lain, atau tidak cocok: tandanya harus QMC5883L (5883L). Besi atau pengeras suara di dekatnya membuatnya jenuh.",
    ),
    "advice.magnet.out_of_range": (
        "The field is beyond 8 gauss: move it away from iron, magnets and power cables.",
        "Medan melebihi 8 gauss: jauhkan dari besi, magnet, dan kabel daya.",
    ),
    # Air.
    "advice.dust.absent": (
        "No answer. The fan needs 5 V although its data have 3.3 V: does it turn? Its TX goes to the board's RX. SPS30: the SEL pin at ground chooses I2C, open UART.",
        "Tidak menjawab. Kipas perlu 5 V walau datanya 3,3 V: apakah berputar? TX sensor ke RX papan. SPS30: pin SEL ke ground memilih I2C, terbuka UART.",
    ),
    "advice.dust.warming": (
        "The fan has just started: it needs 30 s until its numbers hold. Test again.",
        "Kipas baru berputar: perlu 30 dtk sampai angkanya stabil. Uji lagi.",
    ),
    "advice.dust.stuck": (
        "The numbers stand still: the fan does not turn, or inlet and outlet are blocked. Listen to it, blow gently, clean it.",
        "Angkanya diam: kipas tidak berputar, atau lubang masuk dan keluar tersumbat. Dengarkan, tiup pelan, bersihkan.",
    ),
    "advice.dust.device_fault": (
        "Its own check failed (fan or laser), or the counts do not fit the mass. Clean inlet and fan; else change it.",
        "Pemeriksaannya sendiri gagal (kipas atau laser), atau hitungannya tidak sesuai massa. Bersihkan lubang dan kipas; jika tidak, ganti.",
    ),
    "advice.climate.absent": (
        "Nobody at its address: BME280 0x76 or 0x77 (SDO), SHT3x 0x44 or 0x45 (ADDR), SHT4x by its type. Check SDA and SCL and 3.3 V.",
        "Tidak ada di alamatnya: BME280 0x76 atau 0x77 (SDO), SHT3x 0x44 atau 0x45 (ADDR), SHT4x menurut tipenya. Periksa SDA dan SCL dan 3,3 V.",
    ),
    "advice.climate.device_fault": (
        "The chip is another one: a BMP280 looks like a BME280 and has no humidity.",
        "Chip-nya lain: BMP280 mirip BME280 dan tidak punya kelembapan.",
    ),
    "advice.climate.stuck": (
        "Temperature or humidity stands still: breathe on it. At 100 % it may be wet: let it dry in the air stream.",
        "Suhu atau kelembapan diam: tiup dengan napas. Pada 100 % mungkin basah: biarkan kering di aliran udara.",
    ),
    "advice.co2.warming": (
        "It is warming up: MH-Z19 three minutes, SCD4x five seconds.",
        "Sedang pemanasan: MH-Z19 tiga menit, SCD4x lima detik.",
    ),
    "advice.co2.out_of_range": (
        "Outside air has 400 to 450 ppm; less is a wrong zero. Let it stand in open air for 20 minutes; calibrate it, automatic calibration off at the kerb.",
        "Udara luar 400 sampai 450 ppm; kurang berarti nol yang salah. Diamkan 20 menit di udara terbuka; kalibrasi, kalibrasi otomatis mati di tepi jalan.",
    ),
    "advice.gas.warming": (
        "It is warming up: three minutes, SGP41 five. A cell that was long without power needs a day.",
        "Sedang pemanasan: tiga menit, SGP41 lima. Sel yang lama tanpa daya perlu sehari.",
    ),
    "advice.gas.device_fault": (
        "It is another gas's module than configured, or it failed its own test: compare the label with the model.",
        "Modulnya untuk gas lain dari konfigurasi, atau gagal ujinya sendiri: bandingkan label dengan model.",
    ),
}
