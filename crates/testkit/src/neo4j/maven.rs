//! Jars from Maven Central, with all that they need at run time.

use std::{fs, path::Path};

use tokio::process::Command;

use crate::tool;

/// Copies artifacts (`group:name`) of one version, and what they depend on, into `lib/` of a folder.
pub(super) async fn copy_jars(
    artifacts: &[&str],
    version: &str,
    folder: &Path,
) -> anyhow::Result<()> {
    let pom = folder.join("pom.xml");
    fs::write(&pom, project(artifacts, version))?;
    let mut maven = Command::new("mvn");
    maven
        .args(["--batch-mode", "--quiet", "--file"])
        .arg(&pom)
        .arg("dependency:copy-dependencies")
        .arg("-DincludeScope=runtime")
        .arg("-DoutputDirectory=lib");
    tool::run(&mut maven, "install Maven (Debian: `apt-get install maven`)").await?;
    Ok(())
}

/// A Maven project that depends on the artifacts.
fn project(artifacts: &[&str], version: &str) -> String {
    let dependency = |artifact: &&str| {
        let (group, name) = artifact.split_once(':').unwrap_or(("", artifact));
        format!(
            "    <dependency><groupId>{group}</groupId><artifactId>{name}</artifactId>\
             <version>{version}</version></dependency>\n"
        )
    };
    let dependencies: String = artifacts.iter().map(dependency).collect();
    format!(
        r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>lifeboat</groupId>
  <artifactId>neo4j-home</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
{dependencies}  </dependencies>
</project>
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_names_every_artifact_once() {
        let text = project(&["org.neo4j:neo4j", "org.neo4j:neo4j-import-tool"], "5.26.18");
        assert_eq!(text.matches("<version>5.26.18</version>").count(), 2);
        assert!(text.contains("<artifactId>neo4j-import-tool</artifactId>"));
    }
}
