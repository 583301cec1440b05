//! `cargo run -p sandbox`: a season at the door, told against the real daemon.

mod serve;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use sandbox::season;
use usher::daemon::{Options, Part};

/// Where the season's letters are put, from the current folder.
const LETTERS: &str = "state/sandbox";

const HELP: &str = "\
sandbox                  plays a season at Attic Cinema and tells it
sandbox --without LOOP   the same without one loop, which shows what it is for:
                         billing, friends, activity, expiry, courier
sandbox serve            keeps the services up in real time, for an `usher` of your own
";

enum Wish {
    Season(Options),
    Serve,
    Help,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match wish(&arguments) {
        Ok(Wish::Season(options)) => play(options),
        Ok(Wish::Serve) => serve(),
        Ok(Wish::Help) => say(HELP, ExitCode::SUCCESS),
        Err(why) => say(&format!("{why}\n\n{HELP}"), ExitCode::from(2)),
    }
}

fn wish(arguments: &[String]) -> Result<Wish, String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        [] => Ok(Wish::Season(Options::default())),
        ["serve"] => Ok(Wish::Serve),
        ["-h" | "--help" | "help"] => Ok(Wish::Help),
        ["--without", name] => {
            let part = named(name).ok_or(format!("there is no loop {name:?}"))?;
            Ok(Wish::Season(Options { without: [part].into(), ..Options::default() }))
        }
        _ => Err(format!("what is {:?}?", words.join(" "))),
    }
}

fn named(name: &str) -> Option<Part> {
    season::LOOPS.into_iter().find(|part| season::name(*part) == name)
}

fn play(options: Options) -> ExitCode {
    run(true, async move {
        let mut out = io::stdout().lock();
        let told = season::play(options, &mut out, Path::new(LETTERS)).await;
        told.map(drop).map_err(|failed| format!("\nThis line failed:\n  {failed}"))
    })
}

fn serve() -> ExitCode {
    run(false, async { serve::serve().await.map_err(|error| error.to_string()) })
}

fn run(paused: bool, what: impl Future<Output = Result<(), String>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(paused).build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(what),
        Err(error) => Err(error.to_string()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => say(&format!("{why}\n"), ExitCode::FAILURE),
    }
}

/// Says it where nobody parses: beside the story.
fn say(text: &str, code: ExitCode) -> ExitCode {
    match io::stderr().lock().write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}
