//! Files that results go to: what is there already is replaced only where this program made it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use inkgrad_models::run::disk;
use inkgrad_models::run::folder::is_own_file;
use inkgrad_models::{Error, Result};

/// How NumPy's and PNG's files begin.
const NUMPY: &[u8] = b"\x93NUMPY";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The second field of an ONNX file of ours, its producer, behind the two bytes of the first; and words of a module's first lines.
const ONNX: &[u8] = b"\x12\x07inkgrad";
const MODULE: &str = "as a PyTorch module. Pictures are (batch";

/// The first columns of a table of records.
pub const CSV_HEAD: &str = "run,model,step,epoch,split,loss,lr,seconds";

/// More than the header of any array of ours, the first chunks of a picture, the first fields of scores or the metadata of weights.
const START: u64 = 4096;

/// Files of a data set, whoever made them.
const OF_DATA: [&str; 4] = ["train_images.npy", "train_labels.npy", "test_images.npy", "test_labels.npy"];

/// Checks, before any work, that a file can be put at `path`, whatever is there now.
///
/// # Errors
/// One line that says why not.
pub fn check_place(path: &Path) -> Result<()> {
    let refused = |problem: String| Err(Error::input(path.display(), problem));
    if path == Path::new("-") {
        return refused("is no file's name, expected one (standard output is /dev/stdout)".to_owned());
    }
    if path.is_dir() {
        return refused("is a folder, expected a file's name".to_owned());
    }
    // A link that leads to nothing is followed, as far as there is a folder for the file.
    if let Ok(target) = fs::read_link(path)
        && !path.exists()
    {
        let target = path.parent().unwrap_or(Path::new("")).join(target);
        if !target.parent().is_some_and(Path::is_dir) {
            return refused(format!("is a link to {}, whose folder is not there", target.display()));
        }
    }
    match path.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir()) {
        Some(parent) => refused(format!("no folder {}, expected it to exist", parent.display())),
        None => Ok(()),
    }
}

/// Checks, before any work, that a folder is at `path` or can be made there.
///
/// # Errors
/// One line that says what is in the way.
pub fn check_folder(path: &Path) -> Result<()> {
    disk::check_links(path).map_err(Error::io(path))?;
    match path.ancestors().find(|above| above.exists()) {
        Some(nearest) if !nearest.is_dir() => Err(Error::input(nearest.display(), "is a file, expected a folder")),
        _ => Ok(()),
    }
}

/// Checks that a file at `path` is, or would be, none of a run's own and none of a data set's. No option says that it is meant.
///
/// # Errors
/// One line that says that it is.
pub fn check_unowned(path: &Path) -> Result<()> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let of_data = path.is_file() && OF_DATA.iter().any(|name| real.file_name().is_some_and(|found| found == *name));
    if of_data || is_own_file(path) {
        return Err(Error::input(path.display(), "belongs to a run or a data set, expected a new name"));
    }
    Ok(())
}

/// Checks, before any work, that each of several results can be put where it is to go, and that no two go to the same place.
///
/// # Errors
/// One line that says why not.
pub fn check_all(paths: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<()> {
    let mut places = Vec::new();
    for path in paths {
        let path = path.as_ref();
        check(path)?;
        // Two results may well go to /dev/null.
        if !path.exists() || path.is_file() {
            let place = place(path);
            if places.contains(&place) {
                return Err(Error::input(path.display(), "is the place of two results, expected a name for each"));
            }
            places.push(place);
        }
    }
    Ok(())
}

/// Checks, before any work, that a file can be put at `path`, and that nothing of somebody else's is lost by it.
///
/// # Errors
/// One line that says why not.
pub fn check(path: &Path) -> Result<()> {
    check_place(path)?;
    check_unowned(path)?;
    // Devices and pipes lose nothing.
    if !path.is_file() {
        return Ok(());
    }
    let refused = |problem: &str| Err(Error::input(path.display(), problem));
    match start(path) {
        Ok(start) if !is_ours(path, &start) => {
            refused("is there already and was not made by this command, expected a new name")
        }
        // A file that cannot be read shows its fault when it is written.
        _ => Ok(()),
    }
}

/// Checks that a result does not take the place of a file that it is made of.
///
/// # Errors
/// If it does.
pub fn check_apart(out: &Path, inputs: impl IntoIterator<Item = impl AsRef<Path>>) -> Result<()> {
    let target = place(out);
    if inputs.into_iter().any(|input| place(input.as_ref()) == target) {
        return Err(Error::input(out.display(), "is read as well as written, expected another name for the result"));
    }
    Ok(())
}

/// Refuses a result within a folder of drawings: it would be one of them the next time, or take the place of one.
///
/// # Errors
/// If it lies there.
pub fn check_outside(out: &Path, folder: &Path) -> Result<()> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), folder.canonicalize()) {
        (Ok(parent), Ok(folder)) if parent.starts_with(&folder) => {
            let problem = format_args!("lies within {}, which is read, expected another place", folder.display());
            Err(Error::input(out.display(), problem))
        }
        _ => Ok(()),
    }
}

/// The one path of a file however it is named, whether it is there or only its folder is.
fn place(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let real = path.canonicalize().ok();
    real.or_else(|| Some(folder.canonicalize().ok()?.join(path.file_name()?))).unwrap_or_else(|| path.to_owned())
}

fn has_extension(path: &Path, expected: &str) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(expected))
}

fn start(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(START).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a file that begins so is one that a command of ours has written under such a name: an array of floats, a picture,
/// scores, weights or networks that name their maker, or a table of records. An empty file is nobody's loss.
fn is_ours(path: &Path, start: &[u8]) -> bool {
    let contains = |part: &str| start.windows(part.len()).any(|window| window == part.as_bytes());
    start.is_empty()
        || start.starts_with(NUMPY) && !has_extension(path, "png") && (contains("'<f4'") || contains("'<f8'"))
        || start.starts_with(PNG) && has_extension(path, "png") && contains("inkgrad")
        || start.starts_with(b"{") && has_extension(path, "json") && contains("\"inkgrad\"")
        || has_extension(path, "safetensors") && contains("\"model\":")
        || start.starts_with(CSV_HEAD.as_bytes()) && has_extension(path, "csv")
        || start.get(2..).is_some_and(|rest| rest.starts_with(ONNX)) && has_extension(path, "onnx")
        || start.starts_with(b"\"\"\"") && has_extension(path, "py") && contains(MODULE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_made_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let file = |name: &str, bytes: &[u8]| {
            fs::write(at(name), bytes).unwrap();
            check(&at(name)).map_err(|error| error.to_string())
        };
        let array = |kind: &str| [NUMPY, format!("\x01\0v\0{{'descr': '{kind}', ").as_bytes()].concat();
        for (name, bytes) in [
            ("s.npy", array("<f4")),
            ("z.npy", array("<f8")),
            ("e.json", b"{\n  \"inkgrad\": \"0.1.0\"".to_vec()),
            ("p.png", [PNG, b"....tEXtSoftware\0inkgrad"].concat()),
            ("w.safetensors", b"\x40\0\0\0\0\0\0\0{\"__metadata__\":{\"format\":\"pt\",\"model\":\"cvae\"}".to_vec()),
            ("records.csv", [CSV_HEAD, ",bce\n"].concat().into_bytes()),
            ("net.onnx", b"\x08\x08\x12\x07inkgrad\x1a\x050.1.0".to_vec()),
            (
                "net.py",
                b"\"\"\"an autoencoder\n\nA cvae of inkgrad 0.1.0 as a PyTorch module. Pictures are (batch".to_vec(),
            ),
            ("empty.npy", Vec::new()),
        ] {
            assert_eq!(file(name, &bytes), Ok(()), "{name}");
        }
        for (name, bytes) in [
            ("labels.npy", array("<i8")),
            ("pixels.npy", array("|u1")),
            ("notes.npy", b"my notes".to_vec()),
            ("notes.txt", b"my notes".to_vec()),
            ("a.json", b"{\"mine\": 1}".to_vec()),
            ("photo.png", [PNG, b"...."].concat()),
            ("torch.onnx", b"\x08\x08\x12\x07pytorch\x1a\x052.4.0".to_vec()),
            ("mine.csv", b"a,b\n".to_vec()),
            ("mine.py", b"\"\"\"mine\"\"\"\n".to_vec()),
            ("hf.safetensors", b"\x40\0\0\0\0\0\0\0{\"__metadata__\":{\"format\":\"pt\"}".to_vec()),
        ] {
            assert!(
                file(name, &bytes).unwrap_err().ends_with("was not made by this command, expected a new name"),
                "{name}"
            );
        }
        let weights = b"\x40\0\0\0\0\0\0\0{\"__metadata__\":{\"model\":\"cvae\"}";
        assert_eq!(file("model.safetensors", weights), Ok(()), "weights that were exported, beside no run's settings");
        assert!(file("config.toml", b"model = \"cvae\"").is_err());
        for name in OF_DATA {
            assert!(file(name, &array("<f4")).unwrap_err().contains("belongs to a run or a data set"), "{name}");
        }
        for name in ["model.safetensors", "state.safetensors", "loss.png", "sampler-gmm-2.safetensors"] {
            assert!(file(name, weights).unwrap_err().contains("belongs to a run or a data set"), "{name}");
        }
        let missing = at("best.safetensors");
        assert!(check(&missing).unwrap_err().to_string().contains("belongs to a run"), "weights that it never had");
        assert!(check(Path::new("-")).is_err() && check(folder.path()).is_err() && check(&at("none/s.npy")).is_err());
        check(&at("new.npy")).unwrap();
        check(Path::new("/dev/null")).unwrap();
    }

    #[test]
    fn two_results_have_two_places() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.npy"), folder.path().join("b.npy"));
        check_all([a.as_path(), &b]).unwrap();
        check_all([Path::new("/dev/null"), Path::new("/dev/null")]).unwrap();
        let again = folder.path().join(".").join("a.npy");
        for _ in 0..2 {
            assert!(check_all([a.as_path(), &again]).unwrap_err().to_string().contains("is the place of two results"));
            fs::write(&a, "").unwrap();
        }
    }

    #[test]
    fn a_result_is_no_input() {
        let folder = tempfile::tempdir().unwrap();
        let (z, y) = (folder.path().join("z.npy"), folder.path().join("y.npy"));
        fs::write(&z, "").unwrap();
        check_apart(&y, [z.as_path()]).unwrap();
        let other = folder.path().join(".").join("z.npy");
        assert!(check_apart(&other, [z.as_path()]).unwrap_err().to_string().contains("is read as well as written"));
    }
}
