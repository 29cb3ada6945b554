use std::fs;

use super::*;

fn bytes(tensors: &[(&str, &[usize], &[f32])], metadata: &[(&str, &str)]) -> Vec<u8> {
    let metadata = metadata.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    let mut bytes = Vec::new();
    write_tensors(&mut bytes, tensors, &metadata).unwrap();
    bytes
}

/// A file with `header` and `data` as they are given.
fn raw(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn parsed(bytes: &[u8]) -> Tensors {
    parse(bytes, "F".into()).unwrap()
}

fn load(bytes: &[u8]) -> Result<Tensors> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    fs::write(&path, bytes).unwrap();
    load_tensors(&path)
}

fn error(result: Result<impl Sized>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn the_bytes_are_as_documented_and_in_order_of_names() {
    let written = bytes(&[("b", &[2], &[1.0, -2.0]), ("a", &[], &[0.5])], &[("step", "7")]);
    let header = concat!(
        r#"{"__metadata__":{"step":"7"},"a":{"data_offsets":[0,4],"dtype":"F32","shape":[]},"#,
        r#""b":{"data_offsets":[4,12],"dtype":"F32","shape":[2]}}"#
    );
    let padded = format!("{header:width$}", width = header.len().next_multiple_of(8));
    let data = [0.5f32, 1.0, -2.0].map(f32::to_le_bytes).concat();
    assert_eq!(written, raw(&padded, &data));
    assert_eq!(written, bytes(&[("a", &[], &[0.5]), ("b", &[2], &[1.0, -2.0])], &[("step", "7")]));
}

#[test]
fn tensors_and_metadata_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    let values: Vec<f32> = (0..6).map(|value| value as f32 / 3.0).collect();
    let metadata = BTreeMap::from([("step".to_owned(), u64::MAX.to_string())]);
    save_tensors(&path, &[("w", &[2, 3], &values), ("empty", &[0, 4], &[])], &metadata).unwrap();
    let tensors = load_tensors(&path).unwrap();
    assert_eq!(tensors.get("w").unwrap(), &Tensor { shape: vec![2, 3], values: values.clone() });
    assert_eq!(tensors.parse::<u64>("step").unwrap(), u64::MAX);
    assert_eq!(tensors.take_all(&[("w", [2, 3]), ("empty", [0, 4])]).unwrap(), [values, vec![]]);
}

#[test]
fn other_floats_become_f32() {
    let header = r#"{"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},
        "h":{"dtype":"F16","shape":[4],"data_offsets":[8,16]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]}}"#;
    let half = [0x3c00u16, 0xc248, 0x0001, 0x7bff].map(u16::to_le_bytes).concat();
    let bfloat = [0x3f80u16, 0xc049].map(u16::to_le_bytes).concat();
    let tensors = parsed(&raw(header, &[&0.1f64.to_le_bytes(), &half[..], &bfloat].concat()));
    assert_eq!(tensors.get("d").unwrap().values, [0.1]);
    assert_eq!(tensors.get("h").unwrap().values, [1.0, -3.140625, 5.9604645e-8, 65504.0]);
    assert_eq!(tensors.get("b").unwrap().values, [1.0, -3.140625]);
    assert_eq!(f16_to_f32(0xfc00), f32::NEG_INFINITY);
    assert!(f16_to_f32(0x7e00).is_nan());
}

#[test]
fn every_mismatch_is_named_in_one_line() {
    let file = bytes(&[("a", &[2], &[1.0, 2.0]), ("c", &[1], &[f32::NAN]), ("x", &[1], &[0.0])], &[]);
    let expected: [(&str, &[usize]); 3] = [("a", &[1, 2]), ("b", &[3]), ("c", &[1])];
    assert_eq!(
        error(parsed(&file).take_all(&expected)),
        "F: a is (2), expected (1, 2); missing b (3); c holds NaN, expected finite values; unknown x (1)"
    );
}

#[test]
fn every_truncation_is_an_error() {
    let whole = bytes(&[("a", &[3], &[1.0, 2.0, 3.0])], &[("k", "v")]);
    for length in 0..whole.len() {
        assert!(matches!(load(&whole[..length]), Err(Error::Input { .. })), "{length} bytes");
    }
    assert!(load(&[&whole[..], b"x"].concat()).is_err(), "a byte too many");
}

#[test]
fn hostile_files_are_errors() {
    let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    assert!(error(load(&huge)).contains("a header of 18446744073709551615 bytes, expected at most 100000000"));
    assert!(error(load(&raw("{}", b"")[..9])).contains("truncated or not a safetensors file"));
    assert!(error(load(b"PK\x03\x04\0\0\0\0 a zip file, as PyTorch writes")).contains("truncated or not"));
    assert!(error(load(&raw("[1, 2]", b""))).contains("not a whole safetensors file: invalid JSON in header"));
    let wrong_type = r#"{"n":{"dtype":"U64","shape":[1],"data_offsets":[0,8]}}"#;
    let expected = "n is U64, expected F32, F16, BF16, F64, I64 or I32";
    assert!(error(load(&raw(wrong_type, &[0; 8]))).contains(expected));
    for entry in [
        r#""shape":[1],"data_offsets":[0,8]"#,
        r#""shape":[2],"data_offsets":[8,0]"#,
        r#""shape":[2],"data_offsets":[4,12]"#,
        r#""shape":[18446744073709551615,3],"data_offsets":[0,8]"#,
    ] {
        let header = format!(r#"{{"a":{{"dtype":"F32",{entry}}}}}"#);
        assert!(matches!(load(&raw(&header, &[0; 8])), Err(Error::Input { .. })), "{header}");
    }
}

#[test]
fn metadata_helpers_say_what_is_wrong() {
    let tensors = parsed(&bytes(&[], &[("format", "2"), ("step", "many")]));
    assert_eq!(error(tensors.parse::<u64>("step")), "F: metadata `step` is `many`: invalid digit found in string");
    assert_eq!(error(tensors.parse::<u64>("epoch")), "F: missing metadata `epoch`");
    assert_eq!(error(tensors.check_format(1)), "F: format 2, written by a newer inkgrad; this one reads 1");
    tensors.check_format(2).unwrap();
}
