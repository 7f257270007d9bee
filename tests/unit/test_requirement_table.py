"""Which test shows each capability of the two founding documents (C1 to C35), and what is left of each?

`python tests/unit/test_requirement_table.py` prints the tests by name, to be run; with `open`, what is left.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Row:
    """*what* the documents can do, the tests that *show* it here, and what of it is *left* with the reason."""

    what: str
    shown: tuple[str, ...]
    left: str = ""


def names(folder: str, file: str, *tests: str) -> tuple[str, ...]:
    return tuple(f"{folder}/test_{file}.py::test_{test}" for test in tests)


unit, contract = partial(names, "tests/unit"), partial(names, "tests/contracts")
component, scoring = partial(names, "tests/component"), partial(names, "modules/scoring/tests")

TABLE = {
    "C1": Row("a deployment makes an image of model, environment, assets and server, for a device too",
        unit("packaging_builder", "the_image_says_how_it_is_run", "script_and_models_lie_where_the_contract_says")
        + contract("model_deploy", "the_device_gets_a_manifest_whose_image_the_registry_has")
        + component("deploying", "a_pushed_manifest_is_pulled_started_settled_and_accepted"),
    ),
    "C2": Row("a default base image",
        unit("packaging_image_check", "microsofts_gpu_images_carry_their_licence_and_every_default_fits_its_architecture")
        + unit("packaging_bases", "without_a_name_it_is_the_default_of_the_accelerator_and_says_which"),
    ),
    "C3": Row("a custom base image, by reference or digest, with the package's parts on top",
        unit("packaging_bases", "a_base_may_be_named_by_digest")
        + contract("packaging_registry", "a_package_goes_to_the_workspaces_registry_on_a_base_that_came_from_it"),
    ),
    "C4": Row("what is slow to install is installed once",
        unit(
            "packaging_builder", "the_same_input_gives_the_same_digest_and_builds_nothing",
            "a_changed_script_changes_one_layer", "a_changed_requirement_changes_the_environment_alone",
        )
        + contract("registry", "a_second_push_sends_no_blob_again"),
    ),
    "C5": Row("core components cannot be overridden",
        unit("packaging_config", "steps_may_add_anything_but_not_take_the_servers_place")
        + unit("packaging_builder", "the_users_packages_cannot_take_the_servers_place")
        + contract("packaging_kinds", "steps_are_run_by_the_engine_and_the_server_stays_the_server"),
    ),
    "C6": Row("is the custom image at fault? the default one tells",
        contract("packaging_engine", "a_fault_of_the_base_is_pinned_on_it_by_the_default_base"),
    ),
    "C7": Row("requirements for an image",
        unit(
            "packaging_image_check", "what_is_in_the_layers_is_found", "the_documents_profile_wants_what_the_documents_say",
            "the_command_exits_7_for_what_does_not_fit",
        ),
    ),
    "C8": Row("workspace, private and public registries",
        contract(
            "packaging_registry", "a_package_goes_to_the_workspaces_registry_on_a_base_that_came_from_it",
            "a_wrong_password_for_the_base_is_said_by_the_registry",
        )
        + unit("registry_faults", "a_token_is_asked_for_once_and_used_until_it_expires"),
    ),
    "C9": Row("the workspace's registry comes with the first use; before it there is none",
        unit("cli_images", "before_the_first_there_is_none_and_each_says_so")
        + unit("model_store", "before_the_first_model_there_is_none_and_no_folder"),
    ),
    "C10": Row("the registry's name by a query",
        contract("packaging_registry", "the_documents_commands_log_in_build_show_and_pull"),
    ),
    "C11": Row("an image is named registry/name[:tag]",
        unit("image_reference", "each_part_is_found_again", "what_is_no_reference_says_why"),
    ),
    "C12": Row("log in, build from a Dockerfile, log streamed, run id and duration",
        contract("packaging_registry", "the_documents_commands_log_in_build_show_and_pull")
        + unit("packaging_dockerfile_build", "the_folder_gives_the_image_it_was_made_beside")
        + contract(
            "builders", "podman_builds_it_by_dockers_api", "podman_runs_the_steps_of_a_package",
            "what_only_buildkit_reads_is_built_by_dockers_own_program",
            "without_a_program_for_it_each_line_is_named_with_what_helps",
        ),
    ),
    "C13": Row("push an existing image to a private registry",
        contract("packaging_registry", "an_image_of_the_store_is_pushed_under_its_name")
        + contract("registry", "a_second_push_sends_no_blob_again")
        + contract(
            "transfers", "an_upload_that_breaks_goes_on_from_what_the_registry_has",
            "the_next_push_goes_on_with_what_an_earlier_one_began", "a_blob_of_another_repository_is_mounted",
            "the_real_registry_mounts_and_goes_on_with_what_was_begun",
        ),
    ),
    "C14": Row("base image by name, private ones with address, username and password",
        unit("packaging_config", "the_registry_is_a_name_null_or_three_fields", "the_documents_lines_of_code_run")
        + unit(
            "packaging_base_name", "a_base_that_names_no_registry_is_of_the_one_beside_it",
            "a_base_of_another_registry_than_the_one_beside_it_is_a_fault",
        )
        + contract(
            "packaging_registry", "a_base_named_without_its_registry_is_pulled_from_the_one_beside_it",
            "a_password_is_told_to_the_registry_it_is_for_and_to_no_other",
        ),
    ),
    "C15": Row("the table of public images",
        unit("packaging_image_check", "the_documents_images_are_known_by_their_full_names"),
    ),
    "C16": Row("Microsoft's GPU images are for Azure services only",
        unit("packaging_bases", "a_licence_that_binds_is_said_when_the_base_is_used")
        + unit(
            "packaging_recipes", "a_recipe_begins_with_the_catalogues_image_pins_its_runtime_and_ends_without_root",
            "a_device_whose_driver_or_card_does_not_fit_refuses_what_is_made_by_it",
        )
        + contract("builders", "a_recipe_is_built_upon_a_stand_in_of_the_vendors_image"),
        "the vendors' images cannot be fetched here: the recipes were built upon stand-ins, and nothing of it was run "
        "on a GPU",
    ),
    "C17": Row("the image of a training run as base",
        unit("packaging_api", "the_image_of_a_training_run_is_found_by_the_model_that_came_of_it"),
    ),
    "C18": Row(
        "base image and registry set by attributes", unit("packaging_config", "the_documents_lines_of_code_run"),
    ),
    "C19": Row("the inference configuration's JSON file",
        unit("packaging_config", "the_documents_own_file_is_read", "both_spellings_of_the_extra_steps_are_read"),
    ),
    "C20": Row("`az ml model deploy -n -m --ic --dc --ct`",
        contract("model_deploy", "the_device_gets_a_manifest_whose_image_the_registry_has")
        + contract("model_deploy", "a_group_s_devices_get_theirs_one_after_the_other")
        + unit("model_deploy", "the_originals_keys_become_those_of_a_module"),
    ),
    "C21": Row("the command line with standalone private registries, which the original's could not",
        contract("model_deploy", "the_device_gets_a_manifest_whose_image_the_registry_has"),
    ),
    "C22": Row("registered models with immutable versions",
        unit("model_store", "versions_count_up_and_keep_what_they_were", "a_version_is_never_replaced")
        + unit("packaging_api", "registered_models_are_found_by_name_id_tags_and_properties")
        + unit("cli_model", "a_download_is_what_was_registered")
        + unit("store_removal", "a_removed_version_is_gone_and_its_number_is_never_given_again"),
    ),
    "C23": Row("package without deploying",
        unit("packaging_api", "the_documents_lines_make_an_image") + unit("model_deploy", "model_package_is_package"),
    ),
    "C24": Row("image, or Dockerfile with its context; both the same",
        contract(
            "packaging_kinds", "docker_build_of_the_folder_gives_the_same_tree_the_same_settings_and_the_same_answers"
        ),
    ),
    "C25": Row("a list of models: none, one, several",
        unit("packaging_builder", "script_and_models_lie_where_the_contract_says", "an_entry_script_alone_takes_nothing_else_along"),
    ),
    "C26": Row("wait_for_creation(show_output=True)",
        unit(
            "packaging_api", "the_documents_lines_make_an_image",
            "a_failed_creation_raises_with_state_code_and_every_fault",
        ),
    ),
    "C27": Row("pull() brings the image to the local engine",
        contract(
            "packaging_engine", "pull_gives_the_image_to_the_engine_and_says_what_docker_says",
            "the_documents_commands_pull_list_and_run_the_image",
        )
        + contract("containerd", "pull_gives_it_to_containerd_by_its_full_name_and_digest"),
    ),
    "C28": Row("`docker images` lists it",
        unit("cli_images", "images_are_listed_as_docker_lists_them")
        + contract("packaging_engine", "the_documents_commands_pull_list_and_run_the_image"),
    ),
    "C29": Row("`docker run -p 6789:5001 --name mycontainer`",
        contract("packaging_engine", "the_documents_commands_pull_list_and_run_the_image"),
    ),
    "C30": Row(
        'save("./imagefiles")',
        unit(
            "packaging_api", "the_documents_lines_make_a_folder_for_docker_build",
            "misuse_raises_what_it_did_in_the_original",
        ),
    ),
    "C31": Row("get_container_registry()",
        unit("packaging_api", "a_private_base_is_named_and_its_registry_handed_out")
        + contract("packaging_registry", "a_package_goes_to_the_workspaces_registry_on_a_base_that_came_from_it"),
    ),
    "C32": Row("log in, then build the saved folder",
        contract(
            "packaging_kinds", "docker_build_of_the_folder_gives_the_same_tree_the_same_settings_and_the_same_answers"
        )
        + unit("packaging_dockerfile_build", "the_folder_gives_the_image_it_was_made_beside"),
    ),
    "C33": Row("the documents' client: two rows in, two results out",
        contract("packaging_documents", "the_documents_client_sends_two_rows_and_gets_two_results"),
    ),
    "C34": Row("`docker kill` ends it at once; SIGTERM drains",
        contract(
            "packaging_documents", "docker_kill_ends_it_at_once_whatever_it_is_doing",
            "docker_stop_lets_it_answer_what_it_has_begun",
        )
        + scoring("connections", "sigterm_under_load_loses_nothing"),
    ),
    "C35: troubleshoot": Row("what went wrong is told",
        scoring("start", "a_script_that_cannot_serve_exits_with_3_and_the_reason", "a_failing_init_lists_the_model_directory")
        + unit("checks", "every_check_is_registered_under_its_own_name_and_says_why_it_matters"),
    ),
    "C35: update": Row("a service is updated without losing requests",
        component("switching", "an_update_switches_when_the_new_one_is_ready_and_the_old_one_goes_when_it_is_accepted")
        + contract("model_deploy", "the_next_one_is_a_version_higher_and_answers_scripts_in_one_document"),
    ),
    "C35: consume": Row("clients learn how to call it, and may be asked for keys",
        scoring("access", "either_key_opens_and_nothing_else_does", "keys_are_rotated_without_a_restart")
        + scoring("nocode", "the_service_describes_the_model"),
    ),
    "C35: TLS": Row("TLS on the scoring port",
        contract(
            "front_tls", "a_client_verifies_the_front_and_no_plain_or_outdated_one_is_answered",
            "a_renewed_certificate_is_shown_to_new_clients_and_no_request_is_lost",
            "the_key_is_in_memory_and_in_nothing_that_is_kept_or_told",
        )
        + scoring("access", "the_port_is_encrypted_and_answers_as_ever", "a_renewed_certificate_counts_without_a_restart"),
    ),
    "C35: monitoring": Row("App Insights: metrics and traces",
        scoring("contract", "metrics_count_scoring_by_code_and_time")
        + contract("dashboards", "every_expression_of_every_panel_returns_samples")
        + contract("otlp", "every_metric_arrives_with_its_kind_its_labels_and_whose_it_is")
        + scoring(
            "spans", "a_request_s_span_is_its_caller_s_child_and_what_the_script_asks_for_is_its_own",
            "what_is_sent_is_what_opentelemetry_wrote_down",
        ),
        "scoring's metrics go to Prometheus alone, which a collector may scrape; Application Insights itself is a cloud's",
    ),
    "C35: production data": Row("requests and answers are collected",
        scoring(
            "collector", "requests_and_answers_are_written", "all_files_together_keep_the_bound_and_the_newest_data",
            "the_originals_switches_turn_it_on_and_answers_can_be_left_out",
        ),
    ),
    "C35: events": Row("events and alerts",
        component("telling", "what_changed_is_told_upstream_once_and_the_headline_feeds_the_watchdog")
        + unit("event_log", "an_event_goes_up_once_with_its_time_its_device_and_an_id_of_its_own")
        + contract("webhook", "each_event_arrives_in_its_order_with_who_tells_it")
        + contract("dashboards", "the_rules_are_sound_and_each_fires_when_it_should_and_only_then"),
        "alerts are Prometheus' Alertmanager's to send",
    ),
    "C35: custom container": Row("an image of one's own in place of the packaged one",
        contract("packaging_registry", "a_package_goes_to_the_workspaces_registry_on_a_base_that_came_from_it")
        + component("deploying", "a_pushed_manifest_is_pulled_started_settled_and_accepted"),
    ),
    "C35: AKS": Row("a Kubernetes cluster: what its probes, its end and its containerd ask of an image",
        scoring("contract", "readiness_and_liveness_are_answered")
        + scoring("nocode", "readiness_waits_for_the_warm_up_and_liveness_does_not")
        + scoring("connections", "sigterm_under_load_loses_nothing")
        + contract("containerd", "pull_gives_it_to_containerd_by_its_full_name_and_digest"),
        "a cluster is no device, and none was at hand: no command deploys to one, the how-to says what to write",
    ),
}  # fmt: skip


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("row", TABLE)
def test_every_capability_names_tests_that_exist_or_says_why_there_are_none(row: str) -> None:
    found = TABLE[row]
    gone = [one for one in found.shown if one.split("::")[1] not in functions(one.split("::")[0])]
    assert gone == []
    assert found.shown or found.left
    assert found.what


def test_no_capability_is_forgotten() -> None:
    numbers = {row.partition(":")[0] for row in TABLE}
    assert numbers == {f"C{number}" for number in range(1, 36)}


if __name__ == "__main__":
    rows = TABLE.items()
    if sys.argv[1:] == ["open"]:
        lines = [f"{number}: {row.left}" for number, row in rows if row.left]
    else:
        lines = sorted({one for _, row in rows for one in row.shown})
    sys.stdout.write("\n".join(lines) + "\n")
