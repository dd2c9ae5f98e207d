"""What the documents say of the settings is what the code says."""

from tests import reference


def test_the_readme_lists_every_setting_as_the_code_has_it() -> None:
    readme = reference.README.read_text()
    assert reference.with_tables(readme) == readme, "run: python -m tests.reference"


def test_the_example_environment_lists_every_setting_as_the_code_has_it() -> None:
    assert reference.EXAMPLE.read_text() == reference.env_example(), "run: python -m tests.reference"
