//! The `inkgrad` program: the commands of the library with the models of the study.

use std::process::ExitCode;

use inkgrad_models::Models;

#[global_allocator]
static ALLOCATOR: inkgrad::Allocator = inkgrad::Allocator;

fn main() -> ExitCode {
    inkgrad::main(&Models::builtin())
}
