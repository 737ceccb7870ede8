"""schemathesis asks the API what its own OpenAPI document allows, and what it does not."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import positive_data_acceptance
from starlette.testclient import TestClient

from city_rig import City
from pantau.access.model import ANYBODY, Role
from pantau_wire import names as T


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    made = City(tmp_path_factory.mktemp("city"))
    made.feed("flood-01", {T.WATER_DISTANCE: [4600 - 30 * i for i in range(20)]}, alarm=True)
    made.feed("air-01", {T.PM2_5: [300]})
    yield made
    made.close()


def fuzz(city, examples):
    """Ask each operation so often; return what was wrong, by operation."""
    token = city.access.add_token("fuzz", Role.ADMIN, 1, ANYBODY, city.now_s * 1000)
    loaded = schemathesis.openapi.from_asgi("/api/openapi.json", city.app)
    wrong, asked = {}, []
    for found in loaded.get_all_operations():
        operation = found.ok()
        asked.append(operation.label)

        @settings(
            max_examples=examples,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.explicit, Phase.generate],
            database=None,
        )
        @given(operation.as_strategy())
        def hold(case):
            # Which parameters need which other ones is nothing that the document's language can say.
            case.call_and_validate(
                headers={"authorization": f"Bearer {token}", "x-pantau": "1"},
                excluded_checks=[positive_data_acceptance],
            )

        try:
            hold()
        except (Failure, FailureGroup) as error:
            wrong[operation.label] = str(error)
    return wrong, asked


def test_what_the_document_says_is_so(city):
    wrong, asked = fuzz(city, 12)
    assert not wrong, "\n\n".join(f"{label}: {said}" for label, said in wrong.items())
    assert len(asked) > 10


def test_the_document_names_every_route_and_its_errors(city):
    document = TestClient(city.app).get("/api/openapi.json").json()
    paths = document["paths"]
    for path in (
        "/stations.geojson",
        "/stations/{name}",
        "/series",
        "/nodes.geojson",
        "/latest",
        "/observations",
        "/alerts",
        "/network",
        "/session",
        "/metadata",
    ):
        assert path in paths, path
    for path, operations in paths.items():
        for method, operation in operations.items():
            answers = operation["responses"]
            assert {"200", "400", "401", "403", "404", "429", "503"} <= answers.keys(), (path, method)
            assert "422" not in answers, "FastAPI's own kind of error is none of ours"
            assert "application/problem+json" in answers["400"]["content"]
