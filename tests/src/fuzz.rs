//! Bytes of a stranger, given to everything that reads files: `tests/fuzz` draws them by the million, `tests/hostile.rs` goes
//! through the seeds and changes of them in every test run.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use inkgrad_kernels::emulator::Emulator;
use inkgrad_kernels::launch::Device;
use inkgrad_models::Models;
use inkgrad_models::data::{self, LoadOptions};
use inkgrad_models::image::{Channels, Picture};
use inkgrad_models::run::checkpoint::{load_tensors, save_tensors};
use inkgrad_models::run::config::Config;
use inkgrad_models::weights;

/// A reader: its name, what it does with bytes, and files that it takes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name in `tests/fuzz`.
    pub name: &'static str,
    /// Reads the bytes. It may refuse them in one line.
    pub read: fn(&[u8]),
    /// Where inputs start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every reader.
pub const TARGETS: [Target; 13] = [
    Target { name: "npy", read: npy, seeds: npy_seeds },
    Target { name: "npz", read: npz, seeds: npz_seeds },
    Target { name: "idx", read: idx, seeds: idx_seeds },
    Target { name: "gz", read: gz, seeds: gz_seeds },
    Target { name: "ndjson", read: ndjson, seeds: ndjson_seeds },
    Target { name: "picture", read: picture, seeds: picture_seeds },
    Target { name: "cifar", read: cifar, seeds: cifar_seeds },
    Target { name: "pth", read: pth, seeds: pth_seeds },
    Target { name: "safetensors", read: safetensors, seeds: safetensors_seeds },
    Target { name: "checkpoint", read: checkpoint, seeds: safetensors_seeds },
    Target { name: "config", read: config, seeds: config_seeds },
    Target { name: "ptx", read: ptx, seeds: ptx_seeds },
    Target { name: "class_names", read: class_names, seeds: class_names_seeds },
];

/// The target of this name.
///
/// # Panics
/// If there is none.
pub fn target(name: &str) -> Target {
    *TARGETS.iter().find(|target| target.name == name).expect("a target")
}

/// A folder of this thread, in which a file of the bytes and others lie.
fn folder(target: &str, files: &[(&str, &[u8])]) -> PathBuf {
    thread_local! {
        static ROOT: tempfile::TempDir = tempfile::tempdir().expect("a temporary folder");
    }
    let folder = ROOT.with(|root| root.path().join(target));
    fs::create_dir_all(&folder).expect("a folder");
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).expect("a file");
    }
    folder
}

/// A refusal is one line of moderate length, without control characters.
fn told<T>(result: Result<T, impl std::fmt::Display>) {
    if let Err(error) = result {
        let line = error.to_string();
        assert!(line.chars().count() < 4_000 && !line.contains(char::is_control), "{line:.4000}");
    }
}

fn all(folder: &std::path::Path) {
    told(data::load(&folder.display().to_string(), &LoadOptions::default()));
}

fn npy(bytes: &[u8]) {
    let file = folder("npy", &[("a.npy", bytes)]).join("a.npy");
    told(data::load_images(&file));
    told(data::load_labels(&file));
    told(data::load_matrix(&file));
}

fn npz(bytes: &[u8]) {
    let folder = folder("npz", &[("a.npz", bytes)]);
    told(data::load_images(folder.join("a.npz")));
    all(&folder);
}

/// The bytes as the images of an IDX data set, then as its labels.
fn idx(bytes: &[u8]) {
    let (images, labels) = (idx_of(&[2, 28, 28], &[7; 2 * 784]), idx_of(&[2], &[0, 1]));
    for (images, labels) in [(bytes, &labels[..]), (&images[..], bytes)] {
        all(&folder(
            "idx",
            &[
                ("train-images-idx3-ubyte", images),
                ("train-labels-idx1-ubyte", labels),
                ("t10k-images-idx3-ubyte", images),
                ("t10k-labels-idx1-ubyte", labels),
            ],
        ));
    }
}

/// The bytes as compressed labels.
fn gz(bytes: &[u8]) {
    let (images, labels) = (idx_of(&[2, 28, 28], &[7; 2 * 784]), idx_of(&[2], &[0, 1]));
    all(&folder(
        "gz",
        &[
            ("train-images-idx3-ubyte", &images),
            ("train-labels-idx1-ubyte.gz", bytes),
            ("t10k-images-idx3-ubyte", &images),
            ("t10k-labels-idx1-ubyte", &labels),
        ],
    ));
}

fn ndjson(bytes: &[u8]) {
    all(&folder("ndjson", &[("cat.ndjson", bytes)]));
}

/// The bytes as a PNG or JPEG file, whichever they begin as.
fn picture(bytes: &[u8]) {
    folder("picture/class", &[("a.png", bytes)]);
    all(&folder("picture", &[]));
}

/// The bytes as CIFAR-10's training pictures.
fn cifar(bytes: &[u8]) {
    all(&folder("cifar", &[("data_batch_1.bin", bytes), ("test_batch.bin", &[9; 3073])]));
}

fn pth(bytes: &[u8]) {
    told(weights::load(folder("pth", &[("a.pth", bytes)]).join("a.pth"), None));
}

fn safetensors(bytes: &[u8]) {
    told(weights::load(folder("safetensors", &[("a.safetensors", bytes)]).join("a.safetensors"), None));
}

fn checkpoint(bytes: &[u8]) {
    let tensors = load_tensors(folder("checkpoint", &[("state.safetensors", bytes)]).join("state.safetensors"));
    if let Ok(tensors) = &tensors {
        told(tensors.check_format(1));
        told(tensors.parse::<u64>("step"));
        told(tensors.clone().take_all(&[("param.a", [2])]));
    }
    told(tensors);
}

fn config(bytes: &[u8]) {
    let path = folder("config", &[("config.toml", bytes)]).join("config.toml");
    let models = Models::builtin();
    match Config::load(&models, &path) {
        Ok(mut config) => told(config.validate(&models)),
        error => told(error),
    }
}

fn ptx(bytes: &[u8]) {
    told(Emulator::new(0).load_module("a.ptx", &String::from_utf8_lossy(bytes)));
}

fn class_names(bytes: &[u8]) {
    let (images, labels) = (npy_of("|u1", "(2, 28, 28)", &[9; 2 * 784]), npy_of("|u1", "(2,)", &[0, 1]));
    all(&folder(
        "class_names",
        &[
            ("classes.txt", bytes),
            ("train_images.npy", &images),
            ("train_labels.npy", &labels),
            ("test_images.npy", &images),
            ("test_labels.npy", &labels),
        ],
    ));
}

/// Grey and in colour, of Pillow a JPEG, and a PNG that is white and large.
fn picture_seeds() -> Vec<Vec<u8>> {
    let png = |side: usize, channels: Channels, bytes: usize| {
        let pixels = vec![255; side * side * bytes];
        Picture { width: side, height: side, channels, pixels }.to_png().expect("a picture")
    };
    vec![
        png(16, Channels::Grey, 1),
        png(20, Channels::Rgb, 3),
        png(3000, Channels::Rgb, 3),
        include_bytes!("../../cli/tests/cli/ramp.jpg").to_vec(),
    ]
}

fn cifar_seeds() -> Vec<Vec<u8>> {
    vec![vec![3; 3073], [vec![0; 3073], vec![9; 3073]].concat()]
}

fn npy_of(kind: &str, shape: &str, values: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    [b"\x93NUMPY\x01\x00\x76\x00", format!("{header:<117}\n").as_bytes(), values].concat()
}

fn npy_seeds() -> Vec<Vec<u8>> {
    vec![
        npy_of("|u1", "(1, 28, 28)", &[1; 784]),
        npy_of("<i8", "(2,)", &[0; 16]),
        npy_of("<f4", "(2, 3)", &[0; 24]),
        npy_of("|b1", "(1, 784)", &[1; 784]),
        npy_of(">f8", "(1, 2)", &[0; 16]),
    ]
}

/// A zip of one array, stored or deflated.
fn npz_of(array: &[u8], deflated: bool) -> Vec<u8> {
    let name = b"train_images.npy";
    let mut crc = flate2::Crc::new();
    crc.update(array);
    let mut packed = array.to_vec();
    if deflated {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(array).expect("into memory");
        packed = encoder.finish().expect("into memory");
    }
    let method = if deflated { 8 } else { 0 };
    let sizes = [packed.len(), array.len()].map(|size| (size as u32).to_le_bytes()).concat();
    let (sum, length) = (crc.sum().to_le_bytes(), (name.len() as u16).to_le_bytes());
    let common: Vec<u8> = [&[20, 0, 0, 0, method, 0, 0, 0, 0, 0][..], &sum, &sizes, &length, &[0, 0]].concat();
    let local = [b"PK\x03\x04", &common[..], name, &packed].concat();
    let central = [b"PK\x01\x02\x14\x00", &common[..], &[0; 14], name].concat();
    let (at, length) = ((local.len() as u32).to_le_bytes(), (central.len() as u32).to_le_bytes());
    let end = [b"PK\x05\x06\0\0\0\0\x01\0\x01\0", &length[..], &at, b"\0\0"].concat();
    [local, central, end].concat()
}

/// Small ones, and a bomb.
fn npz_seeds() -> Vec<Vec<u8>> {
    let small = npy_of("|u1", "(1, 28, 28)", &[1; 784]);
    let bomb = npy_of("|u1", "(90000, 28, 28)", &vec![0; 90_000 * 784]);
    vec![npz_of(&small, false), npz_of(&small, true), npz_of(&bomb, true)]
}

fn idx_of(extents: &[u32], values: &[u8]) -> Vec<u8> {
    let extents: Vec<u8> = extents.iter().flat_map(|extent| extent.to_be_bytes()).collect();
    let rank = (extents.len() / 4) as u8;
    [&[0, 0, 8, rank], &extents[..], values].concat()
}

fn idx_seeds() -> Vec<Vec<u8>> {
    vec![idx_of(&[2, 28, 28], &[3; 2 * 784]), idx_of(&[2], &[1, 0])]
}

fn gz_seeds() -> Vec<Vec<u8>> {
    let mut one = GzEncoder::new(Vec::new(), Compression::default());
    one.write_all(&idx_of(&[2], &[1, 0])).expect("into memory");
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&idx_of(&[u32::MAX], &[0; 1 << 20])).expect("into memory");
    vec![one.finish().expect("into memory"), bomb.finish().expect("into memory")]
}

fn ndjson_seeds() -> Vec<Vec<u8>> {
    let line = r#"{"word":"cat","recognized":true,"drawing":[[[0,9,255],[0,9,255]],[[3],[4]]]}"#;
    vec![format!("{line}\n{line}\n").into_bytes(), format!("\u{feff}{line}\r\n").into_bytes()]
}

/// PyTorch's own files, the small ones.
fn pth_seeds() -> Vec<Vec<u8>> {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pth");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(fixtures).expect("fixtures").map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pth"));
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("a fixture")).filter(|bytes| bytes.len() < 8_000).collect()
}

fn safetensors_seeds() -> Vec<Vec<u8>> {
    let path = folder("seeds", &[]).join("a.safetensors");
    let metadata = [("format", "1"), ("model", "cnn-ae"), ("step", "3")];
    let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    save_tensors(&path, &[("param.a", &[2], &[1.0, 2.0]), ("param.b", &[1, 2], &[3.0, 4.0])], &metadata)
        .expect("a file of tensors");
    vec![fs::read(path).expect("the file of tensors")]
}

fn config_seeds() -> Vec<Vec<u8>> {
    let models = Models::builtin();
    let path = folder("seeds", &[]).join("config.toml");
    let save = |model| {
        models.defaults(model).and_then(|config: Config| config.save(&path)).expect("a configuration");
        fs::read(&path).expect("the configuration")
    };
    vec![save("cnn-vae"), save("classifier")]
}

fn ptx_seeds() -> Vec<Vec<u8>> {
    let kernel = "\
        .version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p)\n{\n.reg .b32 %r<4>;\n.reg .b64 %d;\n\
        .reg .pred %p;\nld.param.u64 %d, [p];\nmov.u32 %r1, %tid.x;\nsetp.lt.u32 %p, %r1, (3+1)*2;\n@%p bra L;\n\
        st.global.u32 [%d+4], %r1;\nL:\nret;\n}\n";
    vec![kernel.as_bytes().to_vec()]
}

fn class_names_seeds() -> Vec<Vec<u8>> {
    vec![b"cat\ndog\n".to_vec(), "\u{feff}caf\u{e9}\r\n<b>\r\n".into(), b"a\x1b[31m\nb\n".to_vec()]
}
