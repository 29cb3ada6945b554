//! The course in docs/course: its exercises, and its links into the code. `.ci/course` runs its commands.

mod exercises;
mod links;
