//! argv → command.

use std::process::ExitCode;

use clap::Parser;
use usher::commands::{Args, carry_out};

fn main() -> ExitCode {
    let args = Args::parse();
    // One thread: the daemon waits for others nearly all the time, and one
    // thread is one order of things.
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(carry_out(args));
            // Dropping it would wait for a look-up of a name that is under
            // way, for as long as no name server answers: longer than Docker
            // waits before it kills.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "usher: the runtime can't start: {error}");
            ExitCode::FAILURE
        }
    }
}
