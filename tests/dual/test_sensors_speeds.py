"""Speed statistics: exact mean, nearest rank, classes with sharp edges, nothing that grows."""

from pantau_node.sensors.speeds import Speeds


def test_nothing_passed():
    assert Speeds().take() == (None, None, [0] * 8)


def test_the_classes_have_the_edges_of_the_properties():
    speeds = Speeds()
    for tenths, at in ((0, 0), (199, 0), (200, 1), (299, 1), (300, 2), (399, 2), (400, 3), (499, 3), (500, 4), (599, 4),
                       (600, 5), (699, 5), (700, 6), (799, 6), (800, 7), (1200, 7), (1500, 7)):  # fmt: skip
        speeds.add(tenths)
        classes = speeds.take()[2]
        assert classes == [int(k == at) for k in range(8)], tenths


def test_the_mean_is_exact_and_rounded_once():
    speeds = Speeds()
    for tenths in (333, 334, 334):
        speeds.add(tenths)
    assert speeds.take()[0] == 334  # 333.67
    for tenths in (1, 2):
        speeds.add(tenths)
    assert speeds.take()[0] == 2  # 1.5: half up
    speeds.add(1500)
    assert speeds.take()[:2] == (1500, 1200)  # the percentile ends where the histogram does


def test_the_85th_percentile_is_the_nearest_rank():
    speeds = Speeds()
    for n in (1, 2, 3, 6, 7, 13, 20, 99, 100):
        values = [10 + (37 * k) % 101 for k in range(n)]
        for kmh in values:
            speeds.add(10 * kmh)
        assert speeds.take()[1] == 10 * sorted(values)[-(-85 * n // 100) - 1], n


def test_take_begins_anew_and_a_flood_of_vehicles_saturates():
    speeds = Speeds()
    speeds.add(500)
    speeds.take()
    assert speeds.take() == (None, None, [0] * 8)
    for _ in range(65540):
        speeds.add(0)
    assert speeds.take()[1:] == (0, [65535] + [0] * 7)
