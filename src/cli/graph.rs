//! `expressway graph FILE`: a picture of a state machine.

mod arrows;
mod layout;
mod mermaid;
mod rank;
mod scene;
mod svg;
mod text;

use clap::ValueEnum;

use super::definition::Named;
use super::{FAILED, REFUSED, Run, SUCCEEDED, complain, print};
use crate::asl::outline::Outline;
use crate::asl::source::Place;
use crate::engine::machine_name;
use crate::program::{Options, open};

use layout::Layout;
use scene::Scene;

/// Draw a definition
///
/// Draws the machine as it is written, whether it compiles or not: SVG in one file, readable on light
/// and dark ground, or a Mermaid flowchart. Parallel and Map hold their machines as boxes within the
/// box, catchers are dashed arrows, retriers a mark, choices say when they are taken. A state that is
/// named and not there is drawn as missing.
///
/// Examples:
///   expressway graph orders.asl.json > orders.svg
///   expressway graph --format mermaid orders.yaml
///   expressway graph --template template.yaml#Orders > orders.svg
///
/// Exit code: 0; 1 where the text is no JSON or YAML; 2 where it could not be read.
#[derive(clap::Parser)]
#[command(name = "graph", verbatim_doc_comment)]
pub(super) struct Graph {
    #[command(flatten)]
    named: Named,
    /// What to draw it as
    #[arg(long, value_enum, default_value_t = Form::Svg)]
    format: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A picture of its own
    Svg,
    /// A flowchart for pages that draw Mermaid
    Mermaid,
}

impl Run for Graph {
    fn run(self) -> anyhow::Result<u8> {
        let place = self.named.place();
        let substitutions = self.named.filled.substitutions();
        let options = Options { substitutions: &substitutions, ..Options::default() };
        let opened = match open(place, &options) {
            Ok(opened) => opened,
            Err(error) => {
                complain(&format!("error: could not read {}: {error}", place.display()));
                return Ok(REFUSED);
            }
        };
        let Some(root) = &opened.root else {
            let definition = opened.compile(&options);
            complain(&definition.render(&definition.findings));
            return Ok(FAILED);
        };
        let scene = Scene::of(&Outline::of(&Place::root(root)));
        print(&match self.format {
            Form::Svg => svg::svg(&scene, &Layout::of(&scene), &machine_name(place)),
            Form::Mermaid => mermaid::mermaid(&scene),
        })?;
        Ok(SUCCEEDED)
    }
}
