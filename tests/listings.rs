//! Golden listings: the step tables that the definitions of `tests/listings/` and the examples of
//! `config/` compile to. `UPDATE_LISTINGS=1` rewrites them; read the difference before you commit it.

mod golden;

use std::collections::BTreeMap;
use std::path::Path;

use expressway::asl::source::Substitutions;
use expressway::config::{self, Origin};
use expressway::program::{Definition, Options, listing};

/// What the pipeline beside an example's definition says that placeholders stand for.
fn substitutions(folder: &Path) -> Substitutions {
    let mut all = Substitutions::none();
    let Ok(text) = std::fs::read_to_string(folder.join("pipeline.toml")) else { return all };
    let key = "a key of the tests, and no other";
    let environment = BTreeMap::from([("CALLBACK_KEY".to_owned(), key.to_owned())]);
    let config = config::parse(&text, &Origin { folder, environment: &environment });
    let config = config.unwrap_or_else(|findings| panic!("{}: {findings:#?}", folder.display()));
    for (name, value) in config.pipeline.iter().flat_map(|it| &it.substitutions.0) {
        all.set(name, value);
    }
    all
}

#[test]
fn definitions_compile_to_these_listings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut definitions = golden::files(&root.join("tests/listings"), &[".asl.json", ".asl.yaml"]);
    let examples = root.join("config/examples");
    for example in std::fs::read_dir(examples).expect("there are examples") {
        definitions.push(example.expect("an entry").path().join("definition.asl.json"));
    }
    let golden = golden::Golden::new("UPDATE_LISTINGS");
    for definition in &definitions {
        let substitutions = substitutions(definition.parent().unwrap_or(root));
        let options = Options { substitutions: &substitutions, ..Options::default() };
        let read = Definition::read(definition, &options);
        let Definition { program, findings, .. } = read.expect("the definition can be read");
        let Some(program) = program else { panic!("{}: {findings:#?}", definition.display()) };
        let own = definition.parent() == Some(&root.join("tests/listings"));
        let folder = if own { None } else { definition.parent().and_then(Path::file_name) };
        let name = folder.or(definition.file_name()).unwrap_or_default().to_string_lossy();
        let name = name.split('.').next().unwrap_or_default();
        golden.check(&root.join(format!("tests/listings/{name}.listing")), &listing(&program));
    }
    golden.finish();
}
