//! `expressway listing FILE`: the step table a definition is compiled to.

use super::definition::Named;
use super::{FAILED, REFUSED, Run, SUCCEEDED, complain, print};
use crate::program::{Definition, Options, listing};

/// Print the step table that a definition is compiled to
///
/// A row for each state, in the order of the definition, with what it does line by line: paths,
/// templates, choice rules, retriers and catchers as they will run, and the row that comes next
/// (@2, say). What runs is what is listed, so a change of the definition, or of the compiler, can be
/// seen as a change of its listing.
///
/// Examples:
///   expressway listing orders.asl.json
///   diff <(expressway listing old.yaml) <(expressway listing new.yaml)
///
/// Exit code: 0; 1 where the definition has errors; 2 where it could not be read.
#[derive(clap::Parser)]
#[command(name = "listing", verbatim_doc_comment)]
pub(super) struct Listing {
    #[command(flatten)]
    named: Named,
}

impl Run for Listing {
    fn run(self) -> anyhow::Result<u8> {
        let place = self.named.place();
        let substitutions = self.named.filled.substitutions();
        let options = Options { substitutions: &substitutions, ..Options::default() };
        let definition = match Definition::read(place, &options) {
            Ok(definition) => definition,
            Err(error) => {
                complain(&format!("error: could not read {}: {error}", place.display()));
                return Ok(REFUSED);
            }
        };
        let Some(program) = &definition.program else {
            complain(&definition.render(&definition.findings));
            return Ok(FAILED);
        };
        print(&listing(program))?;
        Ok(SUCCEEDED)
    }
}
