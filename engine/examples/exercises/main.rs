//! The exercises of the course (docs/course). Each lesson has a file here with a function that is not right yet, and a
//! property that says where.
//!
//!     cargo run --release -p inkgrad-engine --example exercises -- 1              # yours
//!     cargo run --release -p inkgrad-engine --example exercises -- 1 --solution   # the engine's own
//!
//! Ends with status 1 while the property fails. Without a lesson it lists them all.

// By its path, as the test takes it in, so that the lessons lie beside it.
#[path = "list.rs"]
mod list;

use std::process::ExitCode;

use list::{EXERCISES, Exercise};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            for Exercise { lesson, file, asks, .. } in &EXERCISES {
                println!("{lesson}  engine/examples/exercises/{file:<11}  {asks}");
            }
            ExitCode::SUCCESS
        }
        [lesson] => run(lesson, false),
        [lesson, "--solution"] => run(lesson, true),
        _ => refuse(&arguments.join(" ")),
    }
}

fn run(lesson: &str, solution: bool) -> ExitCode {
    let Some(exercise) = EXERCISES.iter().find(|exercise| exercise.lesson.to_string() == lesson) else {
        return refuse(lesson);
    };
    let Exercise { lesson, file, .. } = exercise;
    match if solution { (exercise.solution)() } else { (exercise.starter)() } {
        Ok(shown) => {
            println!("exercise {lesson}: passes: {shown}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("exercise {lesson}: not yet: {problem}\nIts place: engine/examples/exercises/{file}");
            ExitCode::FAILURE
        }
    }
}

fn refuse(found: &str) -> ExitCode {
    eprintln!(
        "exercises: found `{found}`, expected a lesson from 1 to {}, and `--solution` or nothing",
        EXERCISES.len()
    );
    ExitCode::from(2)
}
