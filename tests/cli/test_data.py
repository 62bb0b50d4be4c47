"""`tinynet data`: data sets by name, downloads, and checks of their files."""


def test_data_list_names_each_set_and_where_to_put_it(tinynet_says):
    said = tinynet_says("data", "list")
    assert said.code == 0
    for word in ("shapes", "cifar10", "mnist", "TINYNET_DATA"):
        assert word in said.out


def test_data_get_of_the_built_in_set_says_so(tinynet_says):
    said = tinynet_says("data", "get", "shapes")
    assert said.code == 0
    assert "built in" in said.out


def test_data_verify_of_an_empty_folder_is_one_sentence(tinynet_says, tmp_path):
    said = tinynet_says("data", "verify", "cifar10", "--data-dir", tmp_path)
    assert said.code == 1
    assert str(tmp_path) in said.err


def test_data_verify_reads_the_built_in_set(tinynet_says):
    assert "3,000 train images" in tinynet_says("data", "verify", "shapes").out
