//! One Fréchet distance, timed, for `peer/frechet.py`: `frechet REAL.npy GENERATED.npy THREADS` prints JSON.

use std::error::Error;
use std::time::Instant;

use inkgrad_kernels::cpu::threads::on_threads;
use inkgrad_models::data::load_matrix;
use inkgrad_models::metrics::{Table, frechet};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [real, generated, threads] = &arguments[..] else {
        return Err("expected REAL.npy GENERATED.npy THREADS".into());
    };
    let ((_, width, real), (_, other, generated)) = (load_matrix(real)?, load_matrix(generated)?);
    let (real, generated) = (Table::new("real", &real, width)?, Table::new("generated", &generated, other)?);
    on_threads(threads.parse()?, || {
        let started = Instant::now();
        let distance = frechet::fid(real, generated)?;
        println!(r#"{{"seconds": {}, "distance": {distance}}}"#, started.elapsed().as_secs_f64());
        Ok(())
    })
}
