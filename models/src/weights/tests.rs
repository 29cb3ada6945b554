use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use proptest::prelude::*;

use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/pth");

/// The fixtures whose names start with `prefix`, as (name without `prefix` and `.pth`, path).
fn fixtures(prefix: &str) -> Vec<(String, PathBuf)> {
    let paths = fs::read_dir(FIXTURES).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = paths
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_prefix(prefix)?.strip_suffix(".pth")?;
            Some((name.to_owned(), path.clone()))
        })
        .collect();
    found.sort();
    found
}

fn problem(result: Result<Tensors>) -> String {
    match result {
        Err(Error::Input { problem, .. }) => problem,
        other => panic!("{other:?}, expected an input error"),
    }
}

/// The outcome of `load` for a file with these bytes.
fn load_bytes(bytes: &[u8]) -> Result<Tensors> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    Ok(load(file.path(), None)?.tensors)
}

/// A state_dict's pickle with the one entry `w`, made by `opcodes`.
fn pickled(opcodes: &[u8]) -> Vec<u8> {
    [b"\x80\x02}X\x01\x00\x00\x00w", opcodes, b"s."].concat()
}

/// The outcome for a pickle in a file of `size` bytes without storages.
fn collected(pickle: &[u8], size: usize) -> Found<BTreeMap<String, Tensor>> {
    let (pickle, _) = Pickle::read(pickle)?;
    Ok(collect(&pickle, None, size, |_| Ok(None))?.tensors)
}

#[test]
fn every_file_of_pytorch_holds_what_pytorch_says() {
    let expected = load_tensors(format!("{FIXTURES}/expected.safetensors")).unwrap();
    let files = fixtures("ok-");
    assert_eq!(files.len(), 16);
    for (name, path) in files {
        let group = format!("{}/", name.split('.').next().unwrap());
        let bits =
            |tensor: &Tensor| (tensor.shape.clone(), tensor.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
        let loaded = load(path, None).unwrap().tensors;
        let found: Vec<_> = loaded.iter().map(|(name, tensor)| (name, bits(tensor))).collect();
        let wanted: Vec<_> =
            expected.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(&group)?, bits(tensor)))).collect();
        assert_eq!(found, wanted, "{name}");
    }
}

#[test]
fn the_contents_tell_the_format_not_the_name() {
    let tensors = load_bytes(&fs::read(format!("{FIXTURES}/expected.safetensors")).unwrap()).unwrap();
    assert_eq!(tensors.get("views/one").unwrap(), &Tensor { shape: vec![], values: vec![0.5] });
    for bytes in [b"".as_slice(), b"PK", b"\x80\x02", b"#!/bin/sh\ntrue\n"] {
        assert_eq!(problem(load_bytes(bytes)), "neither a safetensors file nor one of PyTorch's torch.save");
    }
    let missing = load(format!("{FIXTURES}/nowhere.pth"), None).unwrap_err().to_string();
    assert!(missing.ends_with("nowhere.pth: No such file, expected weights"), "{missing}");
    assert!(load(FIXTURES, None).unwrap_err().to_string().ends_with("not a file, expected weights"));
}

#[test]
fn every_bad_file_is_refused_for_what_is_wrong_with_it() {
    let refused: Vec<_> = include_str!("../../../tests/fixtures/pth/refused.txt")
        .lines()
        .map(|line| line.split_once(": ").expect("a name and a message"))
        .collect();
    let files = fixtures("bad-");
    assert_eq!(files.len(), refused.len());
    for ((name, path), &(wanted, message)) in files.iter().zip(&refused) {
        assert_eq!(name, wanted);
        assert_eq!(problem(load(path, None).map(|loaded| loaded.tensors)), message, "{name}");
    }
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    for name in ["ok-model.zip2", "ok-model.legacy2", "ok-model.legacy4", "ok-views.zip", "ok-views.legacy"] {
        let bytes = fs::read(format!("{FIXTURES}/{name}.pth")).unwrap();
        let read = if name.contains("zip") { read_zip } else { read_legacy };
        assert!(read(&bytes, None).is_ok(), "{name}");
        for length in 0..bytes.len() {
            let problem = read(&bytes[..length], None).err().expect("refused");
            assert!(!problem.contains('\n'), "{name} cut to {length}: {problem}");
        }
    }
}

#[test]
fn names_in_messages_are_short_and_printable() {
    let long = "x".repeat(10_000);
    let pickle = pickled(format!("c{long}\nsystem\n").as_bytes());
    let shown = format!("{}…", &long[..80]);
    assert_eq!(
        collected(&pickle, 0).unwrap_err(),
        format!("the pickle calls {shown}, expected only tensors in dictionaries")
    );
    let pickle = pickled(b"cos\x1b[31m\nsys\rtem\n");
    assert_eq!(
        collected(&pickle, 0).unwrap_err(),
        r"the pickle calls os\u{1b}[31m.sys\rtem, expected only tensors in dictionaries"
    );
}

#[test]
fn nesting_is_as_deep_as_it_likes_and_length_is_bounded() {
    let deep = 400_000;
    let lists = [vec![b']'; deep], vec![b'a'; deep - 1]].concat();
    assert_eq!(collected(&pickled(&lists), 0).unwrap_err(), "w is a list, expected a tensor");
    let tuples = [b")".to_vec(), vec![0x85; deep]].concat();
    assert_eq!(collected(&pickled(&tuples), 0).unwrap_err(), "w is a tuple, expected a tensor");
    let marks = pickled(&vec![b'('; 10 * deep]);
    assert_eq!(collected(&marks, 0).unwrap_err(), "the pickle is longer than 1048576 opcodes");
}

#[test]
fn a_long_tuple_is_no_shape_however_often_it_is_used() {
    // Each of 50,000 tensors takes its sizes and strides from one tuple of 100,000 extents.
    let mut opcodes = b"(".to_vec();
    opcodes.extend(b"K\x01".repeat(100_000));
    opcodes.extend(b"tq\x00(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000NK\x01tQq\x01");
    opcodes.extend(b"ctorch._utils\n_rebuild_tensor_v2\nq\x02");
    opcodes.extend(b"h\x02(h\x01K\x00h\x00h\x00\x89NtR".repeat(50_000));
    assert_eq!(collected(&pickled(&opcodes), 0).unwrap_err(), "a tensor has 100000 axes, expected at most 64");
}

#[test]
fn integers_are_read_as_python_writes_them() {
    let read = |opcodes: &[u8]| match Pickle::read(&[opcodes, b"."].concat()).unwrap().0.root {
        Value::Int(int) => int,
        other => panic!("{other:?}"),
    };
    assert_eq!(read(b"J\xff\xff\xff\xff"), -1);
    assert_eq!(read(b"K\xff"), 255);
    assert_eq!(read(b"M\xff\xff"), 65_535);
    assert_eq!(read(b"\x8a\x00"), 0);
    assert_eq!(read(b"\x8a\x02\xff\x00"), 255);
    assert_eq!(read(b"\x8a\x01\xff"), -1);
    assert_eq!(read(b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"), 0x1950_a86a_20f9_469c_fc6c);
    let long = [b"\x8a\x11".as_slice(), &[1; 17], b"."].concat();
    let (pickle, _) = Pickle::read(&long).unwrap();
    assert_eq!(pickle.kind(pickle.root), "an object", "one that is no size");
}

#[test]
fn prefixes_of_wrappers_are_cut_where_all_names_have_them() {
    assert_eq!(without_prefixes(&["module.a", "module.b"]), 7);
    assert_eq!(without_prefixes(&["_orig_mod.module.a"]), 17);
    assert_eq!(without_prefixes(&["module.a", "b"]), 0);
    assert_eq!(without_prefixes(&[]), 0);
}

#[test]
fn harmless_objects_beside_tensors_are_passed_over() {
    let tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000NK\x00tQK\x00\
        K\x00\x85K\x01\x85\x89NtR";
    for (name, opcodes) in [
        ("Size", b"ctorch\nSize\n(K\x01K\x02t\x85R".as_slice()),
        ("Namespace", b"cargparse\nNamespace\n)\x81}X\x02\x00\x00\x00lrK\x01sb"),
        ("scalar", b"cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\x00\x00\x00f8\x89\x88\x87R)bK\x01\x86R"),
        ("a class of theirs", b"c__main__\nColor\n(K\x01tR"),
        ("set", b"c__builtin__\nset\n(](K\x01K\x02etR"),
        ("set of protocol 4", b"\x8f(K\x01\x90"),
        ("defaultdict", b"ccollections\ndefaultdict\n(c__builtin__\nlist\ntRX\x01\x00\x00\x00a]s"),
        ("bytes", b"C\x02ab"),
        ("sparse tensor", b"ctorch._utils\n_rebuild_sparse_tensor\n(tR"),
        ("number", b"K\x05"),
        ("string", b"X\x01\x00\x00\x00a"),
    ] {
        let pickle = [b"\x80\x02}(X\x01\x00\x00\x00w", &tensor[..], b"X\x01\x00\x00\x00x", opcodes, b"u."].concat();
        let (pickle, _) = Pickle::read(&pickle).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let Collected { tensors, notes } = collect(&pickle, None, 0, |_| Ok(Some(&[]))).unwrap();
        assert_eq!(tensors.into_keys().collect::<Vec<_>>(), ["w"], "{name}");
        assert!(notes.len() == 1 && notes[0].starts_with("passed over beside the tensors: x (a"), "{name}: {notes:?}");
    }
}

#[test]
fn a_key_names_the_dictionary_and_notes_say_what_was_passed_over() {
    let tensor = |key: u8| {
        [
            b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00",
            &[key][..],
            b"NK\x00tQK\x00K\x00\x85K\x01\x85\x89NtR",
        ]
        .concat()
    };
    let text = |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let dictionary = |name: &str, inner: u8| {
        [text(name), b"}(".to_vec(), text(&format!("in_{name}")), tensor(inner), b"u".to_vec()].concat()
    };
    let pickle = [
        b"\x80\x02}(".to_vec(),
        dictionary("model", b'0'),
        dictionary("ema", b'1'),
        text("epoch"),
        b"K\x05u.".to_vec(),
    ]
    .concat();
    let (pickle, _) = Pickle::read(&pickle).unwrap();
    let found = |key| collect(&pickle, key, 0, |_| Ok(Some(&[])));
    let model = found(None).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(model.tensors.into_keys().collect::<Vec<_>>(), ["in_model"]);
    assert_eq!(model.notes, ["passed over beside the tensors: ema (a dictionary), epoch (an integer)"]);
    let ema = found(Some("ema")).unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(ema.tensors.into_keys().collect::<Vec<_>>(), ["in_ema"]);
    assert_eq!(found(Some("model.none")).err().unwrap(), "no dictionary `model.none`, expected one of model, ema");
    assert_eq!(found(Some("net")).err().unwrap(), "no dictionary `net`, expected one of model, ema");
}

/// A change of a file: bytes at places (modulo its length), a piece taken out, where it ends.
fn damage(bytes: &mut Vec<u8>, changes: &[(usize, u8)], cut: Option<(usize, usize)>, end: Option<usize>) {
    for &(place, byte) in changes {
        let place = place % bytes.len();
        bytes[place] = byte;
    }
    if let Some((start, length)) = cut {
        let start = start % bytes.len();
        bytes.drain(start..(start + length).min(bytes.len()));
    }
    if let Some(end) = end {
        bytes.truncate(end % (bytes.len() + 1));
    }
}

/// The targets of the damage: whole files, and the pickles in the zip files, which no checksum guards here.
fn originals() -> &'static [(&'static str, Vec<u8>)] {
    static ORIGINALS: OnceLock<Vec<(&str, Vec<u8>)>> = OnceLock::new();
    ORIGINALS.get_or_init(|| {
        let mut originals = Vec::new();
        for (name, path) in fixtures("ok-") {
            let bytes = fs::read(path).unwrap();
            if name.contains("legacy") {
                originals.push(("legacy", bytes));
            } else {
                originals.push(("pickle", Archive::open(&bytes).unwrap().get("data.pkl").unwrap().unwrap().to_vec()));
                originals.push(("zip", bytes));
            }
        }
        originals
    })
}

proptest! {
    #![proptest_config(crate::property::cases(4000))]

    /// No damage makes it panic, or hand out more values than the file's size allows.
    #[test]
    fn a_damaged_file_is_read_or_refused(
        original in 0..originals().len(),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 0..6),
        cut in prop::option::weighted(0.3, (any::<usize>(), 1usize..40)),
        end in prop::option::weighted(0.2, any::<usize>()),
    ) {
        let (format, mut bytes) = originals()[original].clone();
        damage(&mut bytes, &changes, cut, end);
        let zeros = vec![0; 1 << 10];
        let result = match format {
            "legacy" => read_legacy(&bytes, None),
            "zip" => read_zip(&bytes, None),
            _ => Pickle::read(&bytes).and_then(|(pickle, _)| {
                let lengths: HashMap<_, _> = pickle.storages().map(|storage| (storage.key, storage.bytes)).collect();
                collect(&pickle, None, bytes.len(), |key| Ok(lengths.get(key).and_then(|&length| zeros.get(..length))))
            }),
        };
        match result {
            Ok(Collected { tensors, .. }) => {
                let total: usize = tensors.values().map(|tensor| tensor.values.len()).sum();
                prop_assert!(total <= FREE_VALUES.max(MAX_SHARING * bytes.len()));
                for tensor in tensors.values() {
                    prop_assert_eq!(tensor.shape.iter().product::<usize>(), tensor.values.len());
                }
            }
            Err(problem) => prop_assert!(!problem.contains(char::is_control), "{:?}", problem),
        }
    }
}
