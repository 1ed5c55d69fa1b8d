"""The examples for schedulers in docs/archive.md, as far as they can be checked without one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

from restill.cli import ending

PAGE = (Path(__file__).parents[3] / "docs" / "archive.md").read_text(encoding="utf-8")


def block(language: str, containing: str) -> str:
    (found,) = [code for code in re.findall(rf"```{language}\n(.*?)```", PAGE, re.S) if containing in code]
    return found


def test_the_job_of_kubernetes_does_not_retry_wrong_inputs():
    job = yaml.safe_load(block("yaml", "kind: Job"))
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert (job["apiVersion"], spec["completionMode"]) == ("batch/v1", "Indexed")
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailIndex"  # which needs backoffLimitPerIndex and restartPolicy Never
    assert spec["backoffLimitPerIndex"] > 0
    assert pod["restartPolicy"] == "Never"
    codes = rule["onExitCodes"]["values"]
    assert ending.INPUT_FAULT in codes
    assert ending.MACHINE_FAULT not in codes
    (container,) = pod["containers"]
    assert all(isinstance(word, str) for word in container["command"])
    assert f"$(JOB_COMPLETION_INDEX)/{spec['completions']}" in container["command"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_the_array_of_slurm_is_a_script_and_has_all_parts(tmp_path):
    script = tmp_path / "derain.sh"
    script.write_text(block("sh", "#SBATCH"), encoding="utf-8")
    subprocess.run(["bash", "-n", str(script)], check=True)
    last = int(re.search(r"--array=0-(\d+)", script.read_text())[1])  # type: ignore[index]
    assert f'"$SLURM_ARRAY_TASK_ID/{last + 1}"' in script.read_text()
    assert f'"$status" = {ending.MACHINE_FAULT}' in script.read_text()
