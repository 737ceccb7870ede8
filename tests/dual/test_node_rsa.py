"""RSA on all interpreters, against signatures made with another implementation, good and of each bad kind (RFC 8017)."""

from binascii import unhexlify

from pantau_node import rsa

MESSAGE = b"pantau: a bundle's manifest"
MODULUS = unhexlify(
    "96d24393881a0db49e7e003a1102ac85b4697e54b93f7dbee588c49bb0eec265d19bdd723af5813025eb8803a3ef9531c9422fa7"
    "f04076bf1cc75725511f1ea1374f2c30825ca3b2b17cc1bbdf7e703e61867194069d1eeb0664a66113f11e532ab13220e573c0ce"
    "16315639380a3bdde6ba644c7e2ce84acc868284e6ba173d266ef8f79a9f1bd228e55efbd8299e268bda96a5d07dd943860f6e68"
    "e0eed84746b6131ce3e5504bcad129f8780ce18fc217f64533bd910ef70a511c6b7454f43827c9528205ab89b26c3ff1ba224f28"
    "3f61cb6901f331be1b85afed6b3bf1856de535341e2576b1f8c900c1ff75944b7670532f9a044c09479424cb34b073f2ea55d8f5"
    "61625a49de933ca357de5dd20a0b548d1a0f6b450b710fbbc38df14d09e74a67e887da50c183ba11b4a5daee24512687439704e9"
    "3dabf62cec78bf8a48b03e13c1572795f008b0d42e6e8f0fefa6f361827862e98f0a3735ddfcba57ec9a4371850ad50d4dfd8fb9"
    "d3b531830fb405c3b41122907e872bcc60fed8e5"
)
GOOD = unhexlify(
    "51730019a580dac74c5482a989109ab968a3428aa3160ecdf908ca9eb9fbb0edc09e96eb7ce743b5c1bda365e6778c30a56efb5a"
    "0ea83ad2c747e0c4bc3a58fc642d452ee0ba6bb883dbf978a98eb088439c1ecdc93f25eff7857deaff73421fd9404da6f6808a04"
    "7f21d2289d417a01f6f9bf01391a841bb3155508bdc3d2cbe726271d2d324a062f04354f45aba5018b1d1b3747e080bd183ecda9"
    "4bcbaea939ec5f5f958b1d497077ec1ed641df168037eadb4a9e4c889a5b4e25c8e4d8e43826eefdcff2668dfadb30df7ac91339"
    "e85d3274828973e1e40d6c1adc3e218264cc247fe92e2a5a05ce3bb683d3954aee47a42b3154c04e3621d675dac09f869771e98e"
    "56a666aa036ce9cb0adf171b6327a33218820bf8164ea60007df3bcf543d986fa4019801af106bb32c739512a40eb158d5a0d697"
    "c39b506851e913fd41880435a763b2d6dc5da2695772ffcd4f2e863dd47d7ad9d9c77c526170956ee3038e58864ed6b5a3c20212"
    "a69cd4f782b02cb85ab62bd9757cfa9c1d1f69fa"
)
# What the private key made of a block that is not quite the right one: a lenient check takes some of them.
BAD = {
    "short padding, garbage behind": (
        "0f1152712d1aa7330082411be46597a25f36d7f1372a5727040750f37d3e703accb3419708dd4a8c6ef627fce9afa100cc74"
        "4276c850b64c68c77b04d8696a3a78e9639f300711062ce3e0d67cebbced324a52d38c777031d448c872ba94fc83c04eebd7"
        "830c3853fd4c65c993b4778f8c48c2f725af3c4646ae661a50013c4ca852f4df920c40745ec0b14434af0da12e510ec8d902"
        "8ffef06031419c7f9939ef7df068335cac8f8d062726c1e5c0c04685ce114842ca697a61edc02f03556efe0ed2eefebab64e"
        "fce6672b4b98cc7c0fe21e6f5616be1ac08c66c643964914b443963bfc8499ad6582c4205e4ce9ed38b4c0f7515b5619587b"
        "e4a99e382e208e125b34a72e14a44acdf9901b5f88894343fd5186976f7790771636171647ec1c989a7efbecb20ac7fe8c2b"
        "68de88577251e577966f87274c8c5f7a21ab045421b3f3a6f3e7a903a7b87b641db31104e941edf1bc6b04d6d73440f0e408"
        "c341857010846313792548cea67a3d592298d513ee3b78978808e0f88b6d760af91f"
    ),
    "block type 2": (
        "749cc9b840f5f4d7d85b1d5637bb8f27f22c4d88735d222bfc533f1f25a9e952fa13376857a2fb68d344f6e059d968d9555f"
        "11ddea9268cdf149b77a0f82a26adc74eac70c0ed1805e80ab5b962651c6e5d1da7c2ac7ef23772ec72f82da62a39120cc88"
        "36bbfb3ab8acfca2ab620c49b81670ea247362219f4daddbf346c5db0141dd3bca7bb4d46106119abe401f9981ba056f4864"
        "e2b6050099b53a0e549c60aa8f146642aab2e20b69dd623f47a8164d6b12c0914c4d632cdb384dedd5526593225198d3f434"
        "007f4b95b2843e4a4a9f42afafd1e86c826ed7f94cfecbf1dbd7718862759b5c662d2479cf3cd3d62825efcf637efa40b89c"
        "ce72b402e85e1bfc261953b7109acfcea52f54fefad88ee3017a20305e9e15bb0baa4c12edff8653e4c13ce97cefb025cc75"
        "9a0128dacfd35a1f1651cc412ff3db6788ce3a63c556a78de0481727fd0f7d4d12fc69cd1e1a620682eca2954ee0fc220e39"
        "c9215f41f35cb6a6375d72fb7c44d5eb809a44bb2fe20081babc33f61de0927e40be"
    ),
    "no parameters (DER without NULL)": (
        "91f84e0fef52cc34a65f0e19ae1736eb8743e187b1ceced5a909460d08deca5ca69ea88fb168db323d628bd753fd4013ee5e"
        "dede97e404296c6b564047f2134f4e32d9b89ce0a6822677aa4ca7ad743a89fd1987049b58b5d91da4025b729d58dcf57fb1"
        "15396886aea9ef9448e898284ecad2e25feb100b85a4f74f10a331eae6e06a80177c523efc7c3417bacbde3af7894ad7420f"
        "aa872c2f9a416bee984e9156926c5a4c673a33eb26ef1da96daab0dcb5f8ea179022f5818b2bbc824ade45ce66c7af10209c"
        "3f6f349b3e79b8f6ec76ab559481ffaacee76442465a1b7bd67a33e867e7e2ef3440d8bed9c307480e751504f8bbfaaa0a23"
        "7200e60e5ec576bf8453668da09a47a1c99d6c260550bc3e7873af57770a190ef2e1e1b196dd39a6e1e87e85374fd2874500"
        "fee94adef2a842d54d1c7642825f67b9cc69841fe2a5c2d06ded21734a389c3b8ec71c2d3eb358e8383dbe9e7abf21806107"
        "67fede3498dad3700a35a661b2aa1ba8f37a1e6e0863f19fa500b256cfecab1e1158"
    ),
    "SHA-1's name": (
        "6fbf0f6a8f352a354b32de152c0727f06b300ce0b864f5c6f6983f3b92fedf2cd22d7aa8e1fef57fe030a6de12b9582530a1"
        "6d47d526f9ec62f29fab6506d7562d7eaae0ed11eac713a9b89214a43e041019cda4b34208db9904f6e425d61392623dafad"
        "e748863ca1539413cd4f0c3a21c71c74bf0b9d125bda136161e7505d8219d75dd147287db79781435cdb66008a08e1e0f916"
        "4e9542089f5bbdd4a0e7399801d4ff709d96dcc566aba13a21be6a5f5b20bf0bab0f6dca643e4ae7397712533a59fe0b34c8"
        "1d57e619ef224f1f91af4ff7a20a00909875c35d20bb59446ba12c656c9f6c91131148d2a0cd8ca26074c8fbb2b5f5a21fed"
        "441254dfd80302f7f232d3f3d2de6e19f4df4ebba82be07e1d43baa0a0ec7ca5b666e0257169898f3a7e65f8febf274ab8ad"
        "1314f55afc3cb00cc65320255287d7596e5d43bc6084939ce771db1e0e307c94bb0615b3b866f7ee646e6a0bc1ff5f9b16a2"
        "f19b4ce22cdb704cd240886885a6998525a7cc0311e3e118afd83e941d3bd439cb74"
    ),
    "a padding byte that is not FF": (
        "1b6843e18ac6a6ce71ef75474742fb0c0ed396cbb774c28f6c6d1c7f5a82b233a43c505367debcf1b69b72c6e65956ef6d6c"
        "251e5dffbacdce96da83894088e4d4cd95a64e0b48eb21e45fef7d33093614e7f00d2fb56726eef1833267146cd4b1d6674a"
        "5de7dc2814d4cc9c20074f22cc5b3597f8c83ead616de7642e591ce843d045cf97e97b9d8da8822c413d766a6205879c37fa"
        "2316d29fc1603d257294572d64581777f3725f75d02bf9da2f9ada78f20ad37f10c86a6bacb86dfc60b605c1f292618f2051"
        "4e88405d39449bbed52d8810b71ffe957f53cab96d1ca8d23d5bf30cfd4a489ab528b149a219379358ed7678c084757be59d"
        "4ada34f0f33eb84bf4f193c0d4e7d07d657260e8029e7c3c816b92c00b8fc28b0e42cfc79ba3b5bdc91ecc38dd6f74209b87"
        "3c8fdd3d51ffc22cb412f3da434f9091659d04824434792e5a1ab0ccd911016efff8bf2907cf912e6a540a43ba62315f2c55"
        "b7c9df0ff3a7c51f8407ef6014bf9cd23fe977b8e76191c3c3be25c2e7ec2da7be06"
    ),
    "digest of another message": (
        "8e4883f8df1834fffdfa71d09abca6b9cb2d69e59402e123a051d0b0ffe1f5a9c8e5bd5871ac5b4396b2dc8ac6db2e89f133"
        "2934c777f0b7273f19bee24df04e94a88a69c41ed842b715cc72679c19180d8bcc1d42be338876f664920f8f8f30886d1666"
        "c9498a1432e61e475a5e48240a1de6d86715617c57a75b09770e2541e5682c9271e24dcd9557744fe9aa7d453755208af5f2"
        "17cb522ea401973c8d0c383ca08989e55bb613530c847732b19c81bd0c4e35ec677a6d80cbb8007b23e554d9739fc91715c3"
        "c94d77af355fbe1a7c1a19f768f32a7959338c5c295f77a6c07750f5e635ca4b0b2071fcb5cc4e37bf3ab6507a25a357d55b"
        "77e552a9924b035819095d6c82779da4722ed14070cbc6b3b7094e284763406f75ca65f1297d2abb6510ac399b6139a2764f"
        "4147764b01578c925d292240c1f22a98365d74166873004eab424f1189a05d5efe1b499fd18999aacba24b084fa623f97773"
        "07878270762fb755088c56c13e4bedffb9d0dcf49f9406915617accb66cc13ab7942"
    ),
}


def test_a_good_signature_fits_its_message_and_no_other():
    assert rsa.verify(MODULUS, GOOD, MESSAGE)
    assert not rsa.verify(MODULUS, GOOD, MESSAGE + b".")
    assert not rsa.verify(MODULUS, GOOD, b"")


def test_every_lenient_reading_of_the_padding_is_refused():
    for name, signature in BAD.items():
        assert not rsa.verify(MODULUS, unhexlify(signature), MESSAGE), name


def test_a_bit_that_falls_anywhere_breaks_it():
    for at in range(0, 384, 37):
        flipped = bytearray(GOOD)
        flipped[at] ^= 1 << at % 8
        assert not rsa.verify(MODULUS, bytes(flipped), MESSAGE), at
        flipped = bytearray(MODULUS)
        flipped[at] ^= 1 << at % 8
        assert not rsa.verify(bytes(flipped), GOOD, MESSAGE), at


def test_what_is_no_signature_at_all_is_refused_without_an_error():
    for signature in (
        b"",
        b"\x00" * 384,
        b"\xff" * 384,
        GOOD[:-1],
        GOOD + b"\x00",
        b"\x00" + GOOD,
        MODULUS,
    ):
        assert not rsa.verify(MODULUS, signature, MESSAGE)
    n = int.from_bytes(MODULUS, "big")
    assert not rsa.verify(MODULUS, (int.from_bytes(GOOD, "big") + n).to_bytes(385, "big"), MESSAGE), "one more modulus"
    for modulus in (b"", b"\x00" * 384, b"\x00" * 383 + b"\x01", b"\x03"):
        assert not rsa.verify(modulus, GOOD, MESSAGE)
