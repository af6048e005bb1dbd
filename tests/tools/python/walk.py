"""Walks the platform with the library cloudfoundry-client, as a script of an operator would.

Arguments: the API's address, the admin's password, and a folder with an app that prints "Hello".
Ends with 0 where everything was as Cloud Foundry has it.
"""

import asyncio
import base64
import os
import sys
import tempfile
import threading
import time
import zipfile

from cloudfoundry_client.client import CloudFoundryClient
from cloudfoundry_client.errors import InvalidStatusCode
from cloudfoundry_client.networking.v1.external.policies import Policy
from cloudfoundry_client.v3.entities import ToManyRelationship, ToOneRelationship
from cloudfoundry_client.v3.organization_quotas import AppsQuota, RoutesQuota
from cloudfoundry_client.v3.packages import PackageType
from cloudfoundry_client.v3.security_groups import GloballyEnabled, Rule, RuleProtocol

# The most seconds that anything may take.
PATIENCE = 120


def wait(what, look):
    """The first thing that `look` finds."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited in vain for {what}")


def refused(status, call):
    """Passes where `call` is answered with `status`."""
    try:
        call()
    except InvalidStatusCode as error:
        assert error.status_code == status, error
        return
    raise AssertionError(f"not refused with {status}")


def names(entities):
    return [entity["name"] for entity in entities]


def places(v3):
    """An organization with a quota, spaces and a segment of its own."""
    org = v3.organizations.create("walkers", suspended=False, meta_labels={"kind": "club"})
    v3.organizations.update(org["guid"], "hikers", suspended=False)
    assert names(v3.organizations.list(label_selector="kind=club")) == ["hikers"]
    space = v3.spaces.create("trail", org["guid"])
    v3.spaces.update(space["guid"], "path")
    for number in range(4):
        v3.spaces.create(f"hut-{number}", org["guid"])
    # Three pages, which the library follows by itself.
    here = v3.spaces.list(organization_guids=org["guid"], per_page=2, order_by="name")
    assert here.total_results == 5
    assert names(here) == ["hut-0", "hut-1", "hut-2", "hut-3", "path"]
    with_org = next(v3.spaces.list(guids=space["guid"], include="organization"))
    assert with_org.organization()["name"] == "hikers", with_org
    quota = v3.organization_quotas.create(
        "small",
        apps_quota=AppsQuota(1024, 512, 10, 5),
        routes_quota=RoutesQuota(20, 0),
        assigned_organizations=ToManyRelationship(org["guid"]),
    )
    assert v3.organizations.get(org["guid"])["relationships"]["quota"]["data"]["guid"] == quota["guid"]
    v3.organization_quotas.update(quota["guid"], "smaller", apps_quota=AppsQuota(768, 512, 10, 5))
    assert v3.organization_quotas.get(quota["guid"])["apps"]["total_memory_in_mb"] == 768
    default = v3.organization_quotas.get_first(names="default")
    v3.organization_quotas.apply_to_organizations(default["guid"], ToManyRelationship(org["guid"]))
    v3.organization_quotas.remove(quota["guid"], asynchronous=False)
    segment = v3.isolation_segments.create("valley")
    v3.isolation_segments.entitle_organizations(segment["guid"], org["guid"])
    assert v3.isolation_segments.list_entitled_organizations(segment["guid"]).guids == [org["guid"]]
    v3.organizations.assign_default_isolation_segment(org["guid"], segment["guid"])
    assert v3.organizations.get_default_isolation_segment(org["guid"]).guid == segment["guid"]
    v3.spaces.assign_isolation_segment(space["guid"], segment["guid"])
    assert v3.spaces.get_assigned_isolation_segment(space["guid"]).guid == segment["guid"]
    v3.spaces.assign_isolation_segment(space["guid"], None)
    assert v3.organizations.get_usage_summary(org["guid"])["usage_summary"]["started_instances"] == 0
    return v3.organizations.get(org["guid"]), v3.spaces.get(space["guid"])


def people(v3, org, space):
    user = v3.users.create(("walker", "club"), meta_labels={"shoes": "good"})
    v3.users.update(user["guid"], meta_annotations={"note": "left-handed"})
    assert v3.users.get(user["guid"])["metadata"]["labels"] == {"shoes": "good"}
    assert [u["guid"] for u in v3.users.list(usernames="walker")] == [user["guid"]]
    refused(400, lambda: v3.users.list(origins="uaa"))
    about = {"user": {"data": {"guid": user["guid"]}}}
    for kind, place, name in [
        ("organization_user", org, "organization"),
        ("space_developer", space, "space"),
    ]:
        relations = {**about, name: {"data": {"guid": place["guid"]}}}
        v3.roles._create({"type": kind, "relationships": relations})
    role = next(v3.roles.list(types="space_developer", user_guids=user["guid"], include="user,space"))
    assert role.user()["username"] == "walker" and role.space()["name"] == "path", role
    v3.roles.remove(role["guid"], asynchronous=False)
    v3.users.remove(user["guid"])
    wait("the user to be gone", lambda: v3.users.get_first(usernames="walker") is None)


def rules(v3, space):
    group = v3.security_groups.create(
        "radio",
        rules=[Rule(RuleProtocol.TCP, "10.0.0.0/8", ports="443,80", description="masts")],
        globally_enabled=GloballyEnabled(running=False),
    )
    to_space = ToManyRelationship(space["guid"])
    v3.security_groups.bind_running_security_group_to_spaces(group["guid"], to_space)
    found = next(v3.security_groups.list(running_space_guids=space["guid"]))
    assert found["rules"][0]["ports"] == "443,80", found
    v3.security_groups.unbind_running_security_group_from_space(
        group["guid"], ToOneRelationship(space["guid"])
    )
    v3.security_groups.remove(group["guid"], asynchronous=False)


def zipped(folder):
    """The files of `folder`, as a file on disk: the library takes its name."""
    made = tempfile.NamedTemporaryFile(suffix=".zip", delete=False)
    with zipfile.ZipFile(made, "w") as archive:
        for name in os.listdir(folder):
            archive.write(os.path.join(folder, name), name)
    made.close()
    return made.name


def staged(v3, app, folder):
    package = v3.packages.create(app["guid"], PackageType.BITS)
    bits = zipped(folder)
    try:
        v3.packages._upload_bits(package["guid"], bits)
    finally:
        os.unlink(bits)
    wait("the package", lambda: v3.packages.get(package["guid"])["state"] == "READY")
    at = v3.apps.target_endpoint
    build = v3.apps._post(f"{at}/v3/builds", data={"package": {"guid": package["guid"]}})

    def done():
        found = v3.apps._get(f"{at}/v3/builds/{build['guid']}")
        assert found["state"] != "FAILED", found
        return found["state"] == "STAGED" and found["droplet"]["guid"]

    droplet = wait("the droplet", done)
    assert [d["guid"] for d in v3.packages.list_droplets(package["guid"])] == [droplet]
    v3.apps._patch(
        f"{at}/v3/apps/{app['guid']}/relationships/current_droplet",
        data={"data": {"guid": droplet}},
    )
    return v3.droplets.get(droplet)


def apps(client, space, folder):
    v3 = client.v3
    app = v3.apps._create(
        {
            "name": "boots",
            "environment_variables": {"SOLE": "rubber"},
            "metadata": {"labels": {"tier": "feet"}},
            "relationships": {"space": ToOneRelationship(space["guid"])},
        }
    )
    droplet = staged(v3, app, folder)
    domain = v3.domains.get_first(names="localhost")
    route = v3.routes.create(space["guid"], domain["guid"], host="boots")
    v3.routes._post(
        f"{v3.routes.target_endpoint}/v3/routes/{route['guid']}/destinations",
        data={"destinations": [{"app": {"guid": app["guid"]}}]},
    )
    started = app.start()
    assert started["state"] == "STARTED", started
    web = wait("a process", lambda: v3.processes.get_first(app_guids=app["guid"], types="web"))
    stats = f"{v3.apps.target_endpoint}/v3/processes/{web['guid']}/stats"

    def running():
        return v3.apps._get(stats)["resources"][0]["state"] == "RUNNING"

    wait("the instance", running)
    found = next(v3.apps.list(space_guids=space["guid"], include="space.organization"))
    assert found.space().organization()["name"] == "hikers", found
    # What a document links can be followed.
    assert found.space()["guid"] == space["guid"]
    assert [d["guid"] for d in found.droplets()] == [droplet["guid"]]
    assert found.environment_variables()["var"] == {"SOLE": "rubber"}
    assert v3.apps.get_env(app["guid"])["environment_variables"] == {"SOLE": "rubber"}
    assert "name: boots" in v3.apps.get_manifest(app["guid"])
    assert names(v3.apps.list(label_selector="tier in (feet)", names="boots")) == ["boots"]
    assert [r["host"] for r in v3.apps.list_routes(app["guid"])] == ["boots"]
    assert len(list(v3.apps.list_packages(app["guid"]))) == 1
    assert len(list(v3.apps.list_revisions(app["guid"]))) == 1
    deployed = wait("a revision", lambda: list(v3.apps.list_deployed_revisions(app["guid"])))
    assert deployed[0]["deployable"], deployed
    refused(400, lambda: v3.apps.list(colour="red"))
    refused(404, lambda: v3.apps.get("nothing"))

    task = v3.tasks.create(app["guid"], "true", name="lace", memory_in_mb=64)
    wait("the task", lambda: v3.tasks.get(task["guid"])["state"] == "SUCCEEDED")
    asleep = v3.tasks.create(app["guid"], "sleep 600", name="rest", memory_in_mb=64)
    v3.tasks.cancel(asleep["guid"])
    wait("the end of it", lambda: v3.tasks.get(asleep["guid"])["state"] == "FAILED")
    assert names(v3.tasks.list(app_guids=app["guid"], states="SUCCEEDED")) == ["lace"]

    other = v3.apps._create(
        {"name": "socks", "relationships": {"space": ToOneRelationship(space["guid"])}}
    )
    copied = v3.droplets.copy(droplet["guid"], other["guid"])
    wait("the copy", lambda: v3.droplets.get(copied["guid"])["state"] == "STAGED")
    policy = Policy(app["guid"], other["guid"], "tcp", 8080, 8090)
    # The library takes the empty answer of `policies.create` for a policy.
    at = f"{client.info.api_endpoint}/networking/v1/external/policies"
    client.post(at, json={"policies": [policy.dump()]})
    listed = client.networking_v1_external.policies.list(id=app["guid"])
    assert len(list(listed)) == 1
    v3.apps.remove(other["guid"], asynchronous=False)

    logs(client, app)
    stopped = found.stop()
    assert stopped["state"] == "STOPPED", stopped
    v3.routes.remove(route["guid"])
    types = [e["type"] for e in v3.audit_events.list(target_guids=app["guid"])]
    assert {"audit.app.create", "audit.app.start", "audit.app.stop"} <= set(types), types
    return app


def logs(client, app):
    """What the app has said: once, and as it goes on, both ways."""
    guid = app["guid"]

    def said():
        return [e.logMessage.message for e in client.doppler.recent_logs(guid) if e.HasField("logMessage")]

    recent = wait("the app's log", said)
    assert all(recent), recent

    def speak():
        # Lines of tasks are lines of the app.
        client.v3.tasks.create(guid, "echo out loud", name="speak", memory_in_mb=64)

    stream = client.doppler.stream_logs(guid)
    timer = threading.Timer(1, speak)
    timer.start()
    for envelope in stream:
        if envelope.HasField("logMessage") and envelope.logMessage.message == b"out loud":
            assert envelope.logMessage.app_id == guid, envelope
            break
    stream.close()
    timer.join()

    async def gateway():
        heard = b""
        async for data in client.rlpgateway.stream_logs(guid):
            heard += data
            if base64.b64encode(b"out loud") in heard:
                return heard

    timer = threading.Timer(1, speak)
    timer.start()
    heard = asyncio.run(asyncio.wait_for(gateway(), PATIENCE))
    timer.join()
    assert guid.encode() in heard, heard


def services(v3, space, app):
    at = v3.service_instances.target_endpoint
    made = v3.service_instances._create(
        {
            "type": "user-provided",
            "name": "map",
            "credentials": {"uri": "https://map.example"},
            "tags": ["paper"],
            "relationships": {"space": ToOneRelationship(space["guid"])},
        }
    )
    guid = made["guid"]
    fields = {"space": ["name", "guid"], "space.organization": ["name"]}
    found = v3.service_instances.list(names="map", type="user-provided", fields=fields)
    assert next(found).space()["name"] == "path"
    refused(400, lambda: v3.service_instances.list(fields={"space": ["colour"]}))
    assert v3.service_instances.get_permissions(guid)["manage"] is True
    bound = v3.service_credential_bindings.create(
        "paper", "app", guid, app["guid"], None, {"why": "way"}, None, asynchronous=False
    )
    listed = v3.service_credential_bindings.list(include="app,service_instance", app_guids=app["guid"])
    binding = next(listed)
    assert binding.app()["name"] == "boots" and binding["guid"] == bound["guid"], binding
    details = v3.service_credential_bindings._get(
        f"{at}/v3/service_credential_bindings/{binding['guid']}/details"
    )
    assert details["credentials"]["uri"] == "https://map.example", details
    v3.service_credential_bindings._remove(binding["guid"], asynchronous=False)
    v3.service_instances.remove(guid, asynchronous=False)
    # What other tests made at the same daemon is nobody's business here.
    assert list(v3.service_brokers.list(names="no-such")) == []
    assert list(v3.service_offerings.list(available="true", names="no-such")) == []
    plans = v3.service_plans.list(include="service_offering", service_broker_names="no-such")
    assert list(plans) == []


def platform(client):
    v3 = client.v3
    assert "cflinuxfs4" in names(v3.stacks.list())
    assert "python_buildpack" in names(v3.buildpacks.list(order_by="position"))
    flags = {flag["name"]: flag["enabled"] for flag in v3.feature_flags.list()}
    assert flags["diego_docker"] is True, flags
    own = v3.domains.create(
        "peaks.example",
        organization=ToOneRelationship(v3.organizations.get_first(names="hikers")["guid"]),
    )
    v3.domains.update(own["guid"], meta_labels={"height": "3000"}, meta_annotations={})
    assert names(v3.domains.list(label_selector="height")) == ["peaks.example"]
    v3.domains.remove(own["guid"], asynchronous=False)


def main(api, password, folder):
    client = CloudFoundryClient(api, verify=False)
    client.init_with_user_credentials("admin", password)
    v3 = client.v3
    org, space = places(v3)
    people(v3, org, space)
    rules(v3, space)
    app = apps(client, space, folder)
    services(v3, space, app)
    platform(client)
    # A second login by what the first one left.
    again = CloudFoundryClient(api, verify=False)
    again.init_with_token(client.refresh_token)
    again.v3.apps.remove(app["guid"], asynchronous=False)
    again.v3.organizations.remove(org["guid"], asynchronous=False)
    segment = again.v3.isolation_segments.get_first(names="valley")
    again.v3.isolation_segments.remove(segment["guid"])
    assert again.v3.organizations.get_first(names="hikers") is None


if __name__ == "__main__":
    main(*sys.argv[1:])
