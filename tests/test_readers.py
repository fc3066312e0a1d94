"""Readers of corpora as their owners distribute them: what is read, what is left out, what is said of bad data."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.errors import M3erError
from edge.perceive.tokens import words_of
from export.corpora.clip import Clip, split_by_speaker
from export.corpora.csv_folder import read_csv_folder
from export.corpora.emotions import EMOTIONS
from export.corpora.iemocap import IEMOCAP_EMOTIONS, read_iemocap
from export.corpora.meld import read_meld
from tests.made_readers import (
    MELD_COLUMNS,
    make_iemocap,
    make_meld,
    meld_row,
    remove,
    write_bytes,
    write_csv,
    write_text,
)

ASK_IEMOCAP = "https://sail.usc.edu/iemocap/"
ASK_MELD = "https://affective-meld.github.io/"


# --- IEMOCAP -----------------------------------------------------------------------------------------------------


def test_iemocap(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    folder = make_iemocap(tmp_path)
    clips = {c.name: c for c in read_iemocap(folder)}
    assert {name: c.emotion for name, c in clips.items()} == {
        "Ses01F_impro01_F000": "neutral",
        "Ses01F_impro01_M000": "happy",
        "Ses01M_script01_3_FXX0": "anger",
        "Ses01M_script01_3_M001": "sad",
        "Ses02F_impro02_M003": "happy",
    }
    assert set(IEMOCAP_EMOTIONS) == {c.emotion for c in clips.values()} <= set(EMOTIONS)
    assert {c.speaker for c in clips.values()} == {"Ses01F", "Ses01M", "Ses02M"}
    assert "2 utterances of other emotions are left out" in caplog.text
    one = clips["Ses01F_impro01_M000"]
    assert one == Clip(
        dataset="iemocap",
        name="Ses01F_impro01_M000",
        speaker="Ses01M",
        split="",
        emotion="happy",
        transcript="Do you have your forms?",
        media=folder / "Session1/dialog/avi/DivX/Ses01F_impro01.avi",
        begin_s=10.01,
        end_s=11.37,
        side="right",
        sound=folder / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav",
    )
    # Who wears the markers is on the left: F in Ses01F, M in Ses01M.
    sides = {name: c.side for name, c in clips.items()}
    assert sides["Ses01F_impro01_F000"] == sides["Ses01M_script01_3_M001"] == "left"
    assert sides["Ses01M_script01_3_FXX0"] == "right"
    assert clips["Ses01M_script01_3_FXX0"].transcript == "Don't."


def test_iemocap_without_videos_is_heard_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clips = read_iemocap(make_iemocap(tmp_path, videos=False))
    assert len(clips) == 5
    for c in clips:
        assert c.media.name == f"{c.name}.wav" and c.media.is_file()
        assert (c.begin_s, c.end_s, c.side, c.sound) == (None, None, "", None)
    assert "5 of 5 utterances have no video" in caplog.text


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("Session*", "Session1"),
        ("Session1/dialog/EmoEvaluation", "Session1/dialog/EmoEvaluation"),
        ("Session1/dialog/transcriptions", "Session1/dialog/transcriptions/Ses01F_impro01.txt"),
        ("Session2/dialog/transcriptions/*.txt", "Session2/dialog/transcriptions/Ses02F_impro02.txt"),
        ("Session*/sentences/wav", "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"),
    ],
)
def test_iemocap_names_what_is_missing_and_where_to_ask(gone: str, named: str, tmp_path: Path) -> None:
    make_iemocap(tmp_path)
    remove(tmp_path, gone)
    with pytest.raises(M3erError, match=re.escape(str(tmp_path / named))) as error:
        read_iemocap(tmp_path)
    assert ASK_IEMOCAP in str(error.value)


def test_a_missing_sentence_is_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_iemocap(tmp_path)
    remove(tmp_path, "Session2/sentences/wav/*/*.wav")
    assert "Ses02F_impro02_M003" not in {c.name for c in read_iemocap(tmp_path)}
    assert "1 of 5 media files are missing" in caplog.text and "Ses02F_impro02_M003.wav" in caplog.text


def test_an_unknown_iemocap_label_is_named(tmp_path: Path) -> None:
    make_iemocap(tmp_path)
    rated = tmp_path / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt"
    rated.write_text(rated.read_text().replace("\tneu\t", "\tbored\t"))
    with pytest.raises(M3erError, match=r"impro01\.txt: Ses01F_impro01_F000 has the unknown emotion 'bored'.*ang"):
        read_iemocap(tmp_path)


# --- MELD --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", [False, True])
def test_meld(inner: bool, tmp_path: Path) -> None:
    clips = read_meld(make_meld(tmp_path, inner))
    assert [c.emotion for c in clips if c.split == "train"] == list(EMOTIONS)
    assert [c.split for c in clips] == ["train"] * 7 + ["validation"] * 2 + ["test"] * 2
    assert all(c.media.is_file() and c.begin_s is None for c in clips)
    assert clips[3].media.relative_to(tmp_path) == Path("train" if inner else "") / "train_splits" / "dia0_utt3.mp4"
    assert clips[7].speaker == "Mrs. Green"
    assert len({c.name for c in clips}) == len(clips), "dia0_utt0 is in two parts, and both are told apart"
    splits = split_by_speaker(clips, 0)
    assert {c.speaker for c in splits["train"]} & {c.speaker for c in splits["test"]} == {"Ross"}


def test_melds_windows_apostrophes_are_put_right(tmp_path: Path) -> None:
    make_meld(tmp_path)
    assert words_of(read_meld(tmp_path)[0].transcript) == ["he's", "lost", "it", "totally"]
    table = tmp_path / "train_sent_emo.csv"
    table.write_bytes(table.read_text(encoding="utf-8").encode("latin-1"))  # a copy saved by Windows: a bare 0x92
    assert words_of(read_meld(tmp_path)[0].transcript) == ["he's", "lost", "it", "totally"]


@pytest.mark.parametrize("gone", ["test_sent_emo.csv", "train_splits", "output_repeated_splits_test"])
def test_meld_names_what_is_missing_and_where_it_is(gone: str, tmp_path: Path) -> None:
    make_meld(tmp_path)
    remove(tmp_path, gone)
    with pytest.raises(M3erError, match=re.escape(str(tmp_path / gone))) as error:
        read_meld(tmp_path)
    assert ASK_MELD in str(error.value)


def test_a_few_missing_videos_are_counted_most_are_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_meld(tmp_path)
    remove(tmp_path, "train_splits/dia0_utt[0-3].mp4")
    assert len(read_meld(tmp_path)) == 7
    assert "4 of 11 media files are missing" in caplog.text and "dia0_utt0.mp4" in caplog.text
    remove(tmp_path, "*_splits*/dia*.mp4")
    with pytest.raises(M3erError, match=r"9 of 11 media files are missing: .*dia0_utt0\.mp4.*affective-meld"):
        write_bytes(tmp_path / "train_splits" / "dia0_utt5.mp4")
        write_bytes(tmp_path / "train_splits" / "dia0_utt6.mp4")
        read_meld(tmp_path)


@pytest.mark.parametrize(
    ("columns", "row", "said"),
    [
        (
            MELD_COLUMNS,
            meld_row(1, "What?", "Ross", "boredom", 0, 0),
            r"dev_sent_emo\.csv, line 2: unknown emotion 'boredom'",
        ),
        (MELD_COLUMNS, meld_row(1, "What?", "", "joy", 0, 0), r"dev_sent_emo\.csv, line 2: the row is not complete"),
        (MELD_COLUMNS, [1, "What?"], r"dev_sent_emo\.csv, line 2: the row is not complete"),
        (["Utterance", "Emotion"], ["What?", "joy"], r"dev_sent_emo\.csv: lacks the column\(s\) Speaker, Dialogue_ID"),
    ],
)
def test_a_bad_meld_table_is_named(columns: list[str], row: list[object], said: str, tmp_path: Path) -> None:
    make_meld(tmp_path)
    write_csv(tmp_path / "dev_sent_emo.csv", columns, [row])
    with pytest.raises(M3erError, match=said):
        read_meld(tmp_path)


# --- a folder of one's own ---------------------------------------------------------------------------------------

CSV_COLUMNS = ["path", "emotion", "speaker", "transcript", "split", "begin_s", "end_s"]


def own_folder(folder: Path, *rows: Sequence[object], columns: list[str] = CSV_COLUMNS) -> Path:
    write_csv(folder / "clips.csv", columns, rows)
    for row in rows:
        if row and row[0]:
            write_bytes(folder / str(row[0]))
    return folder


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    own_folder(
        tmp_path,
        ["a b/één.mp4", "happy", "Ann", "Well, so what?", "train", "1.5", "4"],
        ["a b/één.mp4", "sad", "Ann", "", "train", "4", ""],
        ["c.wav", "sad", "Bob", "no", "test", "", ""],
    )
    clips = read_csv_folder(tmp_path, EMOTIONS)
    assert [(c.begin_s, c.end_s) for c in clips] == [(1.5, 4.0), (4.0, None), (None, None)]
    assert [c.transcript for c in clips] == ["Well, so what?", "", "no"]
    assert [c.split for c in clips] == ["train", "train", "test"]
    assert clips[0].media == tmp_path / "a b" / "één.mp4"
    assert len({c.name for c in clips}) == 3


def test_a_table_saved_by_a_spreadsheet_needs_only_four_columns(tmp_path: Path) -> None:
    own_folder(tmp_path, ["a.mp4", "happy", "Ann", "so"], columns=CSV_COLUMNS[:4])
    table = tmp_path / "clips.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())  # Excel's mark
    assert [(c.name, c.split, c.begin_s) for c in read_csv_folder(tmp_path, EMOTIONS)] == [("a.mp4", "", None)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (["b.mp4", "bored", "Bob", "", "", "", ""], "line 3: unknown emotion 'bored'; known are anger, disgust"),
        (["b.mp4", "Happy", "Bob", "", "", "", ""], "line 3: unknown emotion 'Happy'"),
        (["", "happy", "Bob", "", "", "", ""], "line 3: path is empty"),
        (["b.mp4", "happy", " ", "", "", "", ""], "line 3: speaker is empty"),
        (
            ["b.mp4", "happy", "Bob", "", "dev", "", ""],
            "line 3: unknown split 'dev'; known are train, validation, test",
        ),
        (["b.mp4", "happy", "Bob", "", "", "0:12", ""], "line 3: begin_s is '0:12', must be seconds"),
        (["b.mp4", "happy", "Bob", "", "", "-1", ""], "line 3: begin_s is '-1', must be seconds"),
        (["b.mp4", "happy", "Bob", "", "", "", "nan"], "line 3: end_s is 'nan', must be seconds"),
        (["b.mp4", "happy", "Bob", "", "", "3", "3"], r"line 3: the clip ends at 3\.0 s"),
        (["b.mp4", "happy", "Bob", "", "", "", "", "more"], "line 3: has not as many cells as line 1"),
        (["b.mp4", "happy"], "line 3: has not as many cells as line 1"),
        (["a.mp4", "sad", "Bob", "", "", "", ""], r"a\.mp4 stands in it 2 times"),
    ],
)
def test_a_bad_row_is_named_by_its_line(row: list[object], said: str, tmp_path: Path) -> None:
    own_folder(tmp_path, ["a.mp4", "happy", "Ann", "", "", "", ""], row)
    with pytest.raises(M3erError, match=said) as error:
        read_csv_folder(tmp_path, EMOTIONS)
    assert str(tmp_path / "clips.csv") in str(error.value)


def test_a_bad_table_is_named(tmp_path: Path) -> None:
    def refused(said: str) -> None:
        with pytest.raises(M3erError, match=said) as error:
            read_csv_folder(tmp_path, EMOTIONS)
        assert str(tmp_path / "clips.csv") in str(error.value)

    refused("no such file; it must say of each clip path, emotion, speaker, transcript")
    own_folder(tmp_path)
    refused("holds no rows")
    write_text(tmp_path / "clips.csv", "")
    refused(r"line 1: lacks the column\(s\) path, emotion, speaker, transcript")
    write_text(tmp_path / "clips.csv", 'path,emotion,speaker,transcript\na,happy,Ann,"never ends\n')
    refused("after line 1: is not CSV")
    (tmp_path / "clips.csv").write_bytes("path,emotion,speaker,transcript\na,happy,Ann,\u20ac".encode("cp1252"))
    refused("not UTF-8")
    write_csv(tmp_path / "clips.csv", CSV_COLUMNS[:4], [["gone.mp4", "happy", "Ann", ""]])
    refused(r"1 of 1 media files are missing: .*gone\.mp4")


@given(st.lists(st.tuples(st.text(), st.sampled_from(EMOTIONS)), min_size=1, max_size=5))
def test_any_transcript_comes_back_word_by_word(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str]]
) -> None:
    said = [(text.replace("\0", "").encode("utf-8", "ignore").decode(), emotion) for text, emotion in said]
    folder = tmp_path_factory.mktemp("own")
    own_folder(folder, *[[f"{i}.wav", e, "Ann", t] for i, (t, e) in enumerate(said)], columns=CSV_COLUMNS[:4])
    assert [(c.transcript, c.emotion) for c in read_csv_folder(folder, EMOTIONS)] == [(t.strip(), e) for t, e in said]
