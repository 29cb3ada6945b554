//! Errors, answers and settings that all ranks have to agree on before any of them goes on.

use std::env;

use super::Ranks;
use crate::digest::sha256;
use crate::{Error, Result};

/// Goes on only where all can: an error of one is an error of all, its own where there is one, else that of the first rank that has
/// one, with its name.
///
/// # Errors
/// If one of them has an error.
pub fn agree<T>(ranks: &dyn Ranks, result: Result<T>) -> Result<T> {
    if ranks.size() == 1 {
        return result;
    }
    // The first byte says that there is an error, and the host comes with it.
    let said = result.as_ref().err().map(|error| format!("!{}\n{error}", ranks.host())).unwrap_or_default();
    let all = ranks.all_gather_bytes(said.as_bytes());
    let value = result?;
    match all.iter().position(|said| !said.is_empty()) {
        Some(rank) => {
            let said = String::from_utf8_lossy(&all[rank]);
            let (host, problem) = said[1..].split_once('\n').unwrap_or_default();
            Err(Error::input(format_args!("rank {rank} on {host}"), problem))
        }
        None => Ok(value),
    }
}

/// For each question, whether one of them says yes.
pub fn any<const N: usize>(ranks: &dyn Ranks, own: [bool; N]) -> [bool; N] {
    if ranks.size() == 1 {
        return own;
    }
    let all = ranks.all_gather_bytes(&own.map(u8::from));
    std::array::from_fn(|i| all.iter().any(|said| said.get(i) == Some(&1)))
}

/// Whether one of them says yes to each of many questions, as many of each.
pub fn any_of_many(ranks: &dyn Ranks, mut own: Vec<bool>) -> Vec<bool> {
    if ranks.size() > 1 {
        let said: Vec<u8> = own.iter().map(|&yes| u8::from(yes)).collect();
        for said in ranks.all_gather_bytes(&said) {
            own.iter_mut().zip(said).for_each(|(yes, said)| *yes |= said == 1);
        }
    }
    own
}

/// The fact for [`check_same`] that this is the same program, by its file.
///
/// # Errors
/// If the file cannot be read, of whichever rank.
pub fn program(ranks: &dyn Ranks) -> Result<(&'static str, String)> {
    let read = || env::current_exe().map_err(Error::io("/proc/self/exe")).and_then(|path| sha256(&path));
    // One process alone has none to compare with.
    let found = if ranks.size() == 1 { Ok(String::new()) } else { read() };
    Ok(("is another program: SHA-256", agree(ranks, found)?))
}

/// Refuses a rank that differs from the first in one of these facts, each with its name.
///
/// # Errors
/// [`Error::Input`], the same for all of them: the rank, the fact, and the first line of it that differs.
pub fn check_same(ranks: &dyn Ranks, facts: &[(&str, String)]) -> Result<()> {
    if ranks.size() == 1 {
        return Ok(());
    }
    let text = serde_json::to_vec(&(ranks.host(), facts)).unwrap_or_default();
    let all = ranks.all_gather_bytes(&text);
    let read = |bytes: &[u8]| serde_json::from_slice::<(String, Vec<(String, String)>)>(bytes).unwrap_or_default();
    let (first_host, expected) = read(&all[0]);
    for (rank, said) in all.iter().enumerate() {
        let (host, found) = read(said);
        let differing = expected.iter().zip(&found).find(|(expected, found)| expected != found);
        if let Some(((name, expected), (_, found))) = differing {
            let (found, expected) = differing_line(found, expected);
            let problem = format_args!("{name} {found}, expected {expected} as rank 0 on {first_host} has it");
            return Err(Error::input(format_args!("rank {rank} on {host}"), problem));
        }
    }
    Ok(())
}

/// The first lines of two texts that differ.
fn differing_line<'a>(found: &'a str, expected: &'a str) -> (&'a str, &'a str) {
    let mut lines = (found.lines(), expected.lines());
    loop {
        match (lines.0.next(), lines.1.next()) {
            (None, None) => return (found, expected),
            (left, right) if left != right => return (left.unwrap_or("nothing"), right.unwrap_or("nothing")),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::threads;
    use super::*;

    #[test]
    fn an_error_of_one_is_an_error_of_all() {
        let lines = threads::run(3, |ranks| {
            let own = if ranks.rank() == 1 { Err(Error::input("a.npy", "no such file")) } else { Ok(7) };
            let failed = agree(&ranks, own).unwrap_err().to_string();
            assert_eq!(agree(&ranks, Ok(ranks.rank())).unwrap(), ranks.rank());
            failed
        });
        let told = "rank 1 on thread 1: a.npy: no such file";
        assert_eq!(lines, [told, "a.npy: no such file", told]);
    }

    #[test]
    fn one_yes_is_enough() {
        let answers = threads::run(4, |ranks| any(&ranks, [ranks.rank() == 3, false, ranks.rank() < 2]));
        assert_eq!(answers, [[true, false, true]; 4]);
    }

    #[test]
    fn many_questions_are_as_many_answers() {
        let answers = threads::run(3, |ranks| any_of_many(&ranks, (0..5).map(|i| i == 2 * ranks.rank()).collect()));
        assert_eq!(answers, [[true, false, true, false, true]; 3]);
    }

    #[test]
    fn another_program_or_setting_is_named() {
        let facts = |ranks: &dyn Ranks, odd: usize| {
            let lr = if ranks.rank() == odd { "0.002" } else { "0.001" };
            [("program", "1".to_owned()), ("the setting", format!("batch_size = 8\nlr = {lr}\n"))]
        };
        assert!(threads::run(3, |ranks| check_same(&ranks, &facts(&ranks, 9)).is_ok()).iter().all(|&same| same));
        let lines = threads::run(3, |ranks| check_same(&ranks, &facts(&ranks, 2)).unwrap_err().to_string());
        let expected = "rank 2 on thread 2: the setting lr = 0.002, expected lr = 0.001 as rank 0 on thread 0 has it";
        assert_eq!(lines, [expected; 3]);
    }
}
