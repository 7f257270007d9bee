"""Which test shows which promise about bad manifests and about local attackers? One row each, and each is there.

The rows V1 to V23 and L1 to L5 are those of the design's fault matrix; the counted promises are at the end. All
others are in the table of `tests/faults/README.md`.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.builders.hostile import FORBIDDEN, NO_SUCH_KEY, twins

TESTS = Path(__file__).resolve().parents[1]

SIGNATURES, TRUSTING = "unit/test_signatures.py", "unit/test_trusting.py"
HOSTILE, KEPT, ROOTS = (
    f"component/test_{name}.py" for name in ("hostile_manifests", "floor_kept", "root_moves")
)
DOCUMENTS, CREDENTIALS, LINKS = (
    "component/test_bad_documents.py", "unit/test_credentials.py", "unit/test_planted_links.py",
)  # fmt: skip
STRANGERS, LIMITS, DOORS = (f"contracts/test_api_{name}.py" for name in ("strangers", "limits", "doors"))
MQTT, UNTRUSTED, GARBAGE = (
    f"contracts/test_transport_{name}.py" for name in ("mqtt", "untrusted", "garbage")
)

SHOWN: dict[str, tuple[str, ...]] = {
    "V1 unsigned, or signed by nobody": (
        f"{SIGNATURES}::test_a_bad_envelope_is_refused_with_its_path_and_code",
        f"{TRUSTING}::test_an_unsigned_manifest_is_refused_where_a_root_is_installed",
    ),
    "V2 an unknown key; another key's id": (
        f"{SIGNATURES}::test_a_bad_envelope_is_refused_with_its_path_and_code",
        f"{SIGNATURES}::test_a_signature_counts_without_the_id_of_its_key",
    ),
    "V3 one flipped bit, at 64 places and more": (
        f"{SIGNATURES}::test_64_flipped_bits_are_64_refusals",
        f"{SIGNATURES}::test_no_flipped_bit_of_what_decides_is_taken",
    ),
    "V4 another type of payload": (f"{SIGNATURES}::test_a_bad_envelope_is_refused_with_its_path_and_code",),
    "V5 one key signs twice": (f"{SIGNATURES}::test_one_key_that_signs_twice_is_one_key",),
    "V6 a revoked key; a root that skips, or is signed by its new keys only": (
        f"{TRUSTING}::test_a_root_that_was_brought_in_counts_from_the_next_manifest_on",
        f"{SIGNATURES}::test_a_root_that_does_not_follow_is_refused",
        f"{ROOTS}::test_a_root_that_its_own_keys_did_not_make_the_next_is_refused",
        f"{ROOTS}::test_a_root_that_follows_counts_from_the_next_manifest_on_and_what_runs_goes_on",
    ),
    "V7 a broker of a wrong authority, a wrong name, expired, self-signed: no byte of CONNECT": (
        f"{UNTRUSTED}::test_a_broker_whose_certificate_is_not_to_be_trusted_hears_not_one_byte",
        "architecture/test_verification.py::test_nothing_turns_the_verification_of_a_certificate_off",
    ),
    "V8 a lower version, also after a restart": (
        f"{TRUSTING}::test_an_older_version_is_a_rollback_and_another_of_the_same_an_equivocation",
        f"{KEPT}::test_an_old_manifest_does_not_come_back_with_a_new_database",
        f"{MQTT}::test_after_a_restart_of_the_broker_the_device_is_back_by_itself",
    ),
    "V9 the same version with other content, and its alarm": (
        f"{TRUSTING}::test_an_older_version_is_a_rollback_and_another_of_the_same_an_equivocation",
        "contracts/test_dashboards.py::test_the_rules_are_sound_and_each_fires_when_it_should_and_only_then",
    ),
    "V10 the database deleted; a version of 2^63": (
        f"{KEPT}::test_an_old_manifest_does_not_come_back_with_a_new_database",
        f"{ROOTS}::test_a_device_that_lost_all_it_remembered_takes_nothing_until_root_names_a_version",
        f"{TRUSTING}::test_a_version_that_would_use_up_the_numbers_is_refused",
    ),
    "V11 ended, ten years long, from tomorrow": (
        f"{TRUSTING}::test_what_is_not_to_be_taken_now_is_refused",
        f"{TRUSTING}::test_a_clock_that_was_set_back_lets_nothing_in_that_ended",
    ),
    "V12 for another device, for other hardware, for nobody": (
        f"{TRUSTING}::test_what_is_for_others_is_refused",
    ),
    "V13 privileged, more capabilities": (f"{HOSTILE}::test_there_is_no_key_to_ask_for_the_host_with",),
    "V14 host paths, however they are reached: there is no key for one": (
        f"{HOSTILE}::test_there_is_no_key_to_ask_for_the_host_with",
        f"{HOSTILE}::test_what_the_owner_does_not_allow_is_refused_by_its_path",
    ),
    "V15 Docker's spellings, drivers, namespaces, runtimes": (
        f"{HOSTILE}::test_there_is_no_key_to_ask_for_the_host_with",
        f"{HOSTILE}::test_the_create_options_of_iot_edge_ask_for_the_host_in_vain",
        f"{HOSTILE}::test_a_key_given_twice_is_refused_wherever_it_stands",
    ),
    "V16 a tag, another digest, another registry": (
        f"{HOSTILE}::test_without_a_policy_what_is_signed_names_its_images_by_digest",
        f"{HOSTILE}::test_what_the_owner_does_not_allow_is_refused_by_its_path",
        "contracts/test_signing_images.py::test_a_tag_is_signed_with_the_digest_it_stands_for_and_stays_for_people",
    ),
    "V17 what is no JSON, or too much of it": (
        f"{DOCUMENTS}::test_what_is_no_document_is_refused_cheaply_and_touches_nothing",
        "properties/test_admitting.py::test_the_most_hostile_documents_are_refused_in_few_words",
        "properties/test_parsing.py::test_no_bytes_are_more_than_a_refusal",
    ),
    "V18 one host port for two; a port of somebody else": (
        "unit/test_reading_manifests.py::test_a_host_port_is_given_once_also_between_modules",
        "component/test_port_conflicts.py::test_a_port_that_somebody_else_has_is_found_before_anything_is_stopped",
        "component/test_switching.py::test_a_port_that_is_taken_rolls_back_and_says_why",
    ),
    "V19 another schema, an unknown key": (
        f"{DOCUMENTS}::test_what_a_reader_would_have_to_guess_at_is_refused",
        f"{SIGNATURES}::test_a_bad_envelope_is_refused_with_its_path_and_code",
    ),
    "V20 what the device lacks": (
        "unit/test_aim.py::test_a_blocked_candidate_leaves_the_accepted_version_and_says_why",
        "unit/test_image_looked_at.py::test_disk_that_a_variant_asks_for_must_be_free_before_the_first_byte",
        "unit/test_puller.py::test_an_image_that_would_fill_the_disk_is_refused_before_the_first_byte",
        "component/test_coming_back.py::test_an_engine_that_goes_away_or_a_full_disk_costs_no_candidate",
    ),
    "V21 a thousand at once, in any order": (
        f"{DOCUMENTS}::test_of_a_flood_in_any_order_one_is_applied_the_highest",
        f"{DOCUMENTS}::test_the_same_manifest_a_hundred_times_is_one",
        f"{DOCUMENTS}::test_three_versions_that_overtook_each_other_end_at_the_highest",
    ),
    "V22 messages that are too large, packets that are none, every topic retained": (
        f"{MQTT}::test_an_oversized_manifest_neither_ends_the_link_nor_comes_back",
        f"{GARBAGE}::test_after_garbage_the_device_is_back_within_seconds_and_tried_no_more_often_than_it_may",
        f"{GARBAGE}::test_what_is_retained_on_every_topic_of_a_device_neither_ends_the_link_nor_becomes_a_manifest",
    ),
    "V23 nothing at all shall run": (
        f"{DOCUMENTS}::test_removing_everything_must_be_said",
        f"{DOCUMENTS}::test_what_a_reader_would_have_to_guess_at_is_refused",
    ),
    "L1 other users at the doors": (
        f"{STRANGERS}::test_a_stranger_has_no_success_at_any_door",
        f"{STRANGERS}::test_who_may_look_may_not_order",
        f"{DOORS}::test_what_is_for_root_alone_is_refused_to_the_groups_members_and_everything_is_written_down",
        f"{DOORS}::test_over_tcp_nobody_may_do_or_read_more",
        "contracts/test_api_token.py::test_another_token_or_none_is_refused",
        "contracts/test_api_token.py::test_a_page_of_another_address_is_refused_even_with_the_token",
        "system/test_systemd.py::test_it_runs_as_its_own_user_and_can_write_its_own_state_only",
    ),
    "L2 slow, large, many and malformed requests": (
        f"{LIMITS}::test_500_connections_that_say_nothing_or_half_of_it_keep_nobody_waiting",
        f"{LIMITS}::test_a_header_that_does_not_end_is_given_up",
        f"{LIMITS}::test_a_body_that_does_not_come_is_given_up",
        f"{LIMITS}::test_a_header_that_is_too_long_is_refused",
        f"{LIMITS}::test_requests_in_one_piece_are_answered_one_after_the_other",
        f"{LIMITS}::test_garbage_harms_nobody",
        "contracts/test_api_routes.py::test_a_body_over_the_limit_is_refused_and_the_limit_itself_is_not",
    ),
    "L3 canaries": (
        "system/test_canaries.py::test_no_secret_is_found_where_people_and_programs_look",
        "contracts/test_secrets_handed.py::test_a_container_reads_its_secrets_and_the_engine_tells_none",
        "contracts/test_uploads.py::test_a_support_bundle_arrives_without_the_device_s_passwords",
    ),
    "L4 credential files that are lax, a stranger's, or none": (
        f"{CREDENTIALS}::test_a_laxer_mode_is_refused_with_the_command_that_repairs_it",
        f"{CREDENTIALS}::test_a_file_of_a_stranger_is_refused_with_the_command_that_repairs_it",
        f"{CREDENTIALS}::test_a_file_that_is_no_credential_is_refused_and_not_quoted",
    ),
    "L5 planted links and sockets": (
        f"{LINKS}::test_the_floor_takes_the_place_of_a_link_and_is_not_written_through_it",
        f"{LINKS}::test_a_root_takes_the_place_of_a_link_and_not_of_its_target",
        f"{LINKS}::test_what_stands_where_the_socket_shall_be_is_neither_followed_nor_removed",
        f"{CREDENTIALS}::test_a_link_a_directory_and_a_fifo_are_refused_at_once",
    ),
}


@cache
def _functions(file: str) -> dict[str, ast.FunctionDef]:
    tree = ast.parse((TESTS / file).read_text())
    return {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_row_is_shown():
    rows = [name.split()[0] for name in SHOWN]
    assert rows == [*(f"V{number}" for number in range(1, 24)), *(f"L{number}" for number in range(1, 6))]


@pytest.mark.parametrize("row", SHOWN)
def test_what_shows_it_is_there(row: str):
    missing = []
    for test in SHOWN[row]:
        file, _, name = test.partition("::")
        if not (TESTS / file).exists() or name not in _functions(file):
            missing.append(test)
    assert missing == []


# --- the other rows: crashes, disks, images, containers, the network

_MATRIX = {"K": 11, "D": 7, "R": 6, "C": 8, "Q": 11}


@cache
def _table() -> dict[str, str]:
    """What shows it, by row."""
    lines = (TESTS / "faults/README.md").read_text().splitlines()
    found = (re.match(r"\| ([KDRCQ]\d+(?:, [KDRCQ]\d+)*) \| .* \| (.*) \|$", line) for line in lines)
    return {row: match[2] for match in found if match for row in match[1].split(", ")}


def test_every_other_row_is_in_the_table_in_its_order():
    assert list(_table()) == [
        f"{part}{number}" for part, rows in _MATRIX.items() for number in range(1, rows + 1)
    ]


@pytest.mark.parametrize("row", [f"{part}{n}" for part, rows in _MATRIX.items() for n in range(1, rows + 1)])
def test_the_table_names_what_there_is(row: str):
    named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", _table()[row])
    assert named
    for file, name in named:
        path = file if "/" in file else f"faults/{file}"
        assert (TESTS / path).exists(), file
        assert not name or name in _functions(path), name


# --- what was promised by number


def test_sixty_hostile_specifications_are_tried():
    assert len(NO_SUCH_KEY) + len(FORBIDDEN) + len(list(twins())) >= 60


def test_twenty_vectors_of_signatures_replays_and_rotations_are_tried():
    (vectors,) = [
        node.value for node in ast.walk(_functions(SIGNATURES)["vectors"]) if isinstance(node, ast.Return)
    ]
    assert isinstance(vectors, ast.Dict)
    rotations = _cases(SIGNATURES, "test_a_root_that_does_not_follow_is_refused")
    replays = _cases(TRUSTING, "test_what_is_not_to_be_taken_now_is_refused")
    assert (len(vectors.keys), rotations, replays) >= (25, 7, 5)


def _cases(file: str, test: str) -> int:
    (marked,) = [one for one in _functions(file)[test].decorator_list if isinstance(one, ast.Call)]
    cases = marked.args[1]
    assert isinstance(cases, ast.List)
    return len(cases.elts)


def test_what_is_found_wherever_somebody_looks_is_compared_with_nothing():
    """0 canary hits, 0 engine calls, 0 bytes: the tests say so by comparing with nothing, not with a few."""
    canaries = ast.unparse(_functions("system/test_canaries.py")[SHOWN["L3 canaries"][0].partition("::")[2]])
    assert "for name in hits(what, secrets)] == []" in canaries
    untrusted = SHOWN[
        "V7 a broker of a wrong authority, a wrong name, expired, self-signed: no byte of CONNECT"
    ][0]
    file, _, name = untrusted.partition("::")
    assert "assert heard == b''" in ast.unparse(_functions(file)[name])
    assert "self.loop.engine.effects == []" in (TESTS / HOSTILE).read_text()
