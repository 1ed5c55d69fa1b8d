import pytest

from restill.errors import RestillError
from restill.training.recipe import SchedulePart, load_recipe

MINIMAL = """
name: tiny
steps: 10
student: {network: rill-s}
data: {root: clips}
"""


def write(tmp_path, text, name="recipe.yaml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_defaults_fill_in(tmp_path):
    recipe = load_recipe(write(tmp_path, MINIMAL))
    assert (recipe.batch, recipe.method, recipe.optimizer.name) == (4, None, "adam")
    assert recipe.folder.as_posix() == "runs/tiny"


def test_set_changes_a_nested_field_and_reads_numbers(tmp_path):
    recipe = load_recipe(write(tmp_path, MINIMAL), ["optimizer.lr=5e-5", "data.align=dis", "data.scale=[0.5, 1]"])
    assert recipe.optimizer.lr == 5e-5
    assert recipe.data.align == "dis"
    assert recipe.data.scale == (0.5, 1.0)


def test_a_base_is_shared_and_overridden(tmp_path):
    write(tmp_path, MINIMAL, "base.yaml")
    child = write(tmp_path, "base: base.yaml\nname: other\ndata: {crop: 64}\n", "child.yaml")
    recipe = load_recipe(child)
    assert (recipe.name, recipe.steps, recipe.data.crop) == ("other", 10, 64)
    assert recipe.data.root.as_posix() == "clips"


@pytest.mark.parametrize(
    ("text", "overrides", "words"),
    [
        (MINIMAL + "stepz: 3\n", [], ["stepz", "not known", "steps"]),
        (MINIMAL.replace("steps", "stepz"), [], ["stepz", "not known", "steps"]),
        (MINIMAL, ["data.cropp=3"], ["data.cropp", "crop", "centres"]),
        (MINIMAL, ["steps=many"], ["steps", "integer", "many"]),
        (MINIMAL, ["data.align=flownet"], ["data.align", "'none'", "'dis'"]),
        (MINIMAL, ["data.align=spynet"], ["data.aligner", ".safetensors", "spynet"]),
        (MINIMAL, ["teacher.network=rill-l"], ["'teacher' is given", "'method'"]),
        (MINIMAL, ["lr"], ["--set lr", "FIELD=VALUE"]),
        (MINIMAL, ["name=../x"], ["name"]),
        ("name: [", [], ["YAML"]),
        ("- 1", [], ["mapping"]),
        ("a: !!python/object/apply:os.system ['true']", [], ["YAML"]),
        ("base: recipe.yaml", [], ["base", "circle"]),
    ],
)
def test_a_wrong_recipe_is_one_sentence_that_names_the_field(tmp_path, text, overrides, words):
    with pytest.raises(RestillError) as caught:
        load_recipe(write(tmp_path, text), overrides)
    sentence = str(caught.value)
    assert "\n" not in sentence
    for word in words:
        assert word in sentence


def test_a_missing_recipe_names_the_file(tmp_path):
    with pytest.raises(RestillError, match=r"none\.yaml"):
        load_recipe(tmp_path / "none.yaml")


def test_learning_rate_schedules():
    assert SchedulePart(name="step", every=15, floor=0).lr(1e-4, 31, 100) == pytest.approx(0.25e-4)
    uneven = SchedulePart(name="step", milestones=[10, 12], factor=0.1, floor=0)
    assert [uneven.lr(1.0, step, 100) for step in (9, 10, 12, 99)] == pytest.approx([1, 0.1, 0.01, 0.01])
    cosine = SchedulePart(name="cosine", warmup=10, floor=0)
    assert cosine.lr(1.0, 0, 110) == pytest.approx(0.1)
    assert cosine.lr(1.0, 10, 110) == pytest.approx(1.0)
    assert cosine.lr(1.0, 60, 110) == pytest.approx(0.5)
    assert cosine.lr(1.0, 110, 110) == pytest.approx(0.0)
