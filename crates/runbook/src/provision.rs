//! How the resources of an environment are made, and removed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::action::{Context, Finding, Outputs};
use crate::command;
use crate::error::StepError;
use crate::template::Template;

/// `[environment.NAME.provision]`. Each way can be carried out again: what is there already stays.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "RawProvision")]
#[non_exhaustive]
pub enum Provision {
    /// OpenTofu or Terraform.
    Tofu {
        /// The folder of the templates.
        folder: PathBuf,
        /// The program: `tofu` or `terraform`.
        program: String,
        /// Values of variables.
        variables: BTreeMap<String, Template>,
    },
    /// A deployment of Azure from Bicep or an ARM template, by `az deployment group`.
    Bicep {
        /// The template.
        file: PathBuf,
        /// The resource group, which is made when it is missing.
        resource_group: Template,
        /// Where the resource group is made.
        location: String,
        /// Values of parameters.
        parameters: BTreeMap<String, Template>,
    },
    /// Any command; what it prints as a JSON object is known to later steps.
    Command {
        /// Makes the resources.
        create: Vec<Template>,
        /// Removes them.
        remove: Vec<Template>,
    },
}

/// All keys of all kinds: a tagged enum would lose the places of texts in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProvision {
    kind: Way,
    folder: Option<PathBuf>,
    program: Option<String>,
    variables: Option<BTreeMap<String, Template>>,
    file: Option<PathBuf>,
    resource_group: Option<Template>,
    location: Option<String>,
    parameters: Option<BTreeMap<String, Template>>,
    create: Option<Vec<Template>>,
    remove: Option<Vec<Template>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Way {
    Tofu,
    Bicep,
    Command,
}

impl TryFrom<RawProvision> for Provision {
    type Error = String;

    fn try_from(raw: RawProvision) -> Result<Self, String> {
        let keys = [
            ("folder", Way::Tofu, raw.folder.is_some()),
            ("program", Way::Tofu, raw.program.is_some()),
            ("variables", Way::Tofu, raw.variables.is_some()),
            ("file", Way::Bicep, raw.file.is_some()),
            ("resource_group", Way::Bicep, raw.resource_group.is_some()),
            ("location", Way::Bicep, raw.location.is_some()),
            ("parameters", Way::Bicep, raw.parameters.is_some()),
            ("create", Way::Command, raw.create.is_some()),
            ("remove", Way::Command, raw.remove.is_some()),
        ];
        if let Some((key, ..)) = keys.iter().find(|(_, way, set)| *set && *way != raw.kind) {
            return Err(format!("{key} does not belong to this kind"));
        }
        let missing = |key: &str| format!("it needs {key}");
        Ok(match raw.kind {
            Way::Tofu => Self::Tofu {
                folder: raw.folder.ok_or_else(|| missing("folder"))?,
                program: raw.program.unwrap_or_else(|| "tofu".to_owned()),
                variables: raw.variables.unwrap_or_default(),
            },
            Way::Bicep => Self::Bicep {
                file: raw.file.ok_or_else(|| missing("file"))?,
                resource_group: raw.resource_group.ok_or_else(|| missing("resource_group"))?,
                location: raw.location.ok_or_else(|| missing("location"))?,
                parameters: raw.parameters.unwrap_or_default(),
            },
            Way::Command => Self::Command {
                create: raw.create.filter(|c| !c.is_empty()).ok_or_else(|| missing("create"))?,
                remove: raw.remove.unwrap_or_default(),
            },
        })
    }
}

impl Provision {
    pub(crate) fn resolve(&mut self, base: &Path) {
        match self {
            Self::Tofu { folder, .. } => *folder = base.join(&*folder),
            Self::Bicep { file, .. } => *file = base.join(&*file),
            Self::Command { .. } => {}
        }
    }

    /// The commands that make the resources. The last one prints what it made.
    fn creating(&self, cx: &Context<'_>) -> Result<Vec<Vec<String>>, StepError> {
        Ok(match self {
            Self::Tofu { folder, program, variables } => {
                let at = format!("-chdir={}", folder.display());
                let words = |words: &[&str]| {
                    [program.as_str(), &at].iter().chain(words).map(|w| (*w).to_owned()).collect()
                };
                let mut apply: Vec<String> =
                    words(&["apply", "-input=false", "-auto-approve", "-no-color"]);
                apply.extend(variable_words(cx, variables)?);
                vec![
                    words(&["init", "-input=false", "-no-color"]),
                    apply,
                    words(&["output", "-json"]),
                ]
            }
            Self::Bicep { file, resource_group, location, parameters } => {
                let group = cx.value(resource_group, crate::value::Kind::Text)?;
                let mut tags = Vec::new();
                for (name, value) in cx.world.variables(cx.values, None) {
                    tags.push(format!("{name}={value}"));
                }
                let mut create =
                    words(&["az", "group", "create", "--name", &group, "--location", location]);
                if !tags.is_empty() {
                    create.push("--tags".to_owned());
                    create.extend(tags);
                }
                let file = file.display().to_string();
                let mut deploy = words(&[
                    "az",
                    "deployment",
                    "group",
                    "create",
                    "--resource-group",
                    &group,
                    "--template-file",
                    &file,
                    "--mode",
                    "Incremental",
                    "--output",
                    "json",
                    "--query",
                    "properties.outputs",
                ]);
                if !parameters.is_empty() {
                    deploy.push("--parameters".to_owned());
                    for (name, value) in parameters {
                        deploy
                            .push(format!("{name}={}", cx.value(value, crate::value::Kind::Text)?));
                    }
                }
                vec![create, deploy]
            }
            Self::Command { create, .. } => vec![command::resolve(cx, create)?],
        })
    }

    fn removing(&self, cx: &Context<'_>) -> Result<Option<Vec<String>>, StepError> {
        Ok(match self {
            Self::Tofu { folder, program, variables } => {
                let at = format!("-chdir={}", folder.display());
                let mut destroy =
                    words(&[program, &at, "destroy", "-input=false", "-auto-approve", "-no-color"]);
                destroy.extend(variable_words(cx, variables)?);
                Some(destroy)
            }
            Self::Bicep { resource_group, .. } => {
                let group = cx.value(resource_group, crate::value::Kind::Text)?;
                Some(words(&["az", "group", "delete", "--name", &group, "--yes"]))
            }
            Self::Command { remove, .. } if remove.is_empty() => None,
            Self::Command { remove, .. } => Some(command::resolve(cx, remove)?),
        })
    }

    /// What would be done, for people.
    pub fn describe(&self, cx: &Context<'_>) -> Vec<String> {
        match self.creating(cx) {
            Ok(commands) => {
                commands.iter().map(|words| format!("run `{}`", words.join(" "))).collect()
            }
            Err(error) => vec![format!("run a command, of which {error}")],
        }
    }

    /// Whether it could be done, as far as that can be told.
    pub fn check(&self) -> Vec<Finding> {
        let (program, file) = match self {
            Self::Tofu { folder, program, .. } => (program.as_str(), Some(folder)),
            Self::Bicep { file, .. } => ("az", Some(file)),
            Self::Command { create, .. } => {
                (create.first().and_then(Template::as_text).unwrap_or_default(), None)
            }
        };
        let mut found = vec![if program.is_empty() {
            Finding::unknown("which program makes the resources")
        } else if command::exists(program) {
            Finding::ok(format_args!("the program {program} is there"))
        } else {
            Finding::failed(format_args!("there is no program {program}; install it"))
        }];
        if let Some(path) = file {
            found.push(Finding::of(
                &path.metadata(),
                format_args!("templates in {}", path.display()),
            ));
        }
        found
    }

    /// Makes the resources; what the templates put out, by name.
    ///
    /// # Errors
    /// When a command fails.
    pub async fn create(&self, cx: &Context<'_>, environment: &str) -> Result<Outputs, StepError> {
        let mut printed = String::new();
        for words in self.creating(cx)? {
            printed = command::run(cx, &words, Some(environment)).await?;
        }
        Ok(values(&printed))
    }

    /// Removes the resources. Whether there is a way to.
    ///
    /// # Errors
    /// When a command fails.
    pub async fn remove(&self, cx: &Context<'_>, environment: &str) -> Result<bool, StepError> {
        match self.removing(cx)? {
            None => Ok(false),
            Some(words) => command::run(cx, &words, Some(environment)).await.map(|_| true),
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn variable_words(
    cx: &Context<'_>,
    variables: &BTreeMap<String, Template>,
) -> Result<Vec<String>, StepError> {
    variables
        .iter()
        .map(|(name, value)| {
            Ok(format!("-var={name}={}", cx.value(value, crate::value::Kind::Text)?))
        })
        .collect()
}

/// The values of a JSON object, also of one that wraps each in `value`, as `tofu output` and `az`
/// do; lines before it, as of a warning, do not count. What is marked as sensitive is left out.
fn values(text: &str) -> Outputs {
    let begins = if text.starts_with('{') { Some(0) } else { text.find("\n{").map(|at| at + 1) };
    let object = begins.and_then(|at| serde_json::from_str(text[at..].trim()).ok());
    let Some(serde_json::Value::Object(map)) = object else {
        return Outputs::new();
    };
    map.into_iter()
        .filter(|(_, value)| value.get("sensitive") != Some(&serde_json::Value::Bool(true)))
        .filter(|(_, value)| {
            value.get("type").and_then(|kind| kind.as_str()) != Some("SecureString")
        })
        .map(|(name, value)| {
            let value = value.get("value").cloned().unwrap_or(value);
            let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            (name, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sites::Sites;

    #[test]
    fn every_way_is_read() {
        for (text, fits) in [
            ("kind = \"tofu\"\nfolder = \"infra\"\nvariables = { id = \"{run.id}\" }", true),
            ("kind = \"tofu\"", false),
            ("kind = \"tofu\"\nfolder = \"infra\"\nfile = \"x\"", false),
            (
                "kind = \"bicep\"\nfile = \"m.bicep\"\nresource_group = \"g\"\nlocation = \"x\"",
                true,
            ),
            ("kind = \"bicep\"\nfile = \"m.bicep\"", false),
            ("kind = \"command\"\ncreate = [\"make\", \"{run.drill}\"]", true),
            ("kind = \"command\"\ncreate = []", false),
        ] {
            let text = format!("[environment.a.provision]\n{text}\n");
            let read = Sites::parse(&text, Path::new("/nowhere/lifeboat.toml"));
            assert_eq!(read.is_ok(), fits, "{text}: {read:?}");
        }
    }

    #[test]
    fn outputs_are_read_and_secrets_left_out() {
        let text = r#"{"ip":{"sensitive":false,"type":"string","value":"10.0.0.1"},
            "password":{"sensitive":true,"type":"string","value":"x"},
            "key":{"type":"SecureString","value":"y"}, "n":{"value":3}, "plain":"z"}"#;
        let found = values(text);
        let found: Vec<_> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(found, [("ip", "10.0.0.1"), ("n", "3"), ("plain", "z")]);
        assert!(values("made it").is_empty());
        let warned = values("Warning: no settings {yet}\n\n{\"ip\": \"10.0.0.1\"}\n");
        assert_eq!(warned["ip"], "10.0.0.1");
    }
}
