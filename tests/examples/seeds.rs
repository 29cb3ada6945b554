//! Writes the seeds of every fuzz target: `cargo run -p inkgrad-tests --example seeds -- FOLDER`.

use std::fs;
use std::path::PathBuf;

use inkgrad_tests::fuzz::TARGETS;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("a folder"));
    for target in TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (n, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{n:02}")), seed)?;
        }
    }
    Ok(())
}
