//! Kubernetes: a service is a Deployment, or, as `statefulset/NAME`, a StatefulSet.
//!
//! Nothing counts as stopped while one of its pods is there, be it one that is told to end: it may
//! still write. Nothing counts as started before all its pods are ready and of the newest version.

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::{Api, ApiResource, DynamicObject, ListParams, Patch, PatchParams};
use kube::client::AuthError;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Selector;
use kube::{Client, Config, Error};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PlatformError, State};
use crate::http::causes;

/// Remembers, on a workload that was stopped, how many replicas it had.
const REMEMBERED: &str = "lifeboat/replicas";

/// How long the interface may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a change is sent that another one came before.
const TRIES: u32 = 5;

/// `kind = "kubernetes"`: a namespace of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// The file that tells where the cluster is and who to be there. Without, it is the cluster in
    /// which this program runs, and the account of its pod.
    pub kubeconfig: Option<PathBuf>,
    /// Which of the file's contexts; its current one when not given.
    pub context: Option<String>,
    /// The namespace; that of the context, or of the pod, when not given.
    pub namespace: Option<String>,
}

/// A Deployment or a StatefulSet.
pub(super) struct Workload<'a> {
    service: &'a str,
    kind: Kind,
    name: &'a str,
    namespace: String,
    objects: Api<DynamicObject>,
    pods: Api<Pod>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Deployment,
    StatefulSet,
}

impl Kind {
    fn resource(self) -> ApiResource {
        let (kind, plural) = match self {
            Self::Deployment => ("Deployment", "deployments"),
            Self::StatefulSet => ("StatefulSet", "statefulsets"),
        };
        ApiResource {
            group: "apps".to_owned(),
            version: "v1".to_owned(),
            api_version: "apps/v1".to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }
}

/// Which workload a service is: `NAME`, `deployment/NAME` or `statefulset/NAME`.
fn read_name(service: &str) -> Result<(Kind, &str), String> {
    match service.split_once('/') {
        None => Ok((Kind::Deployment, service)),
        Some(("deployment", name)) => Ok((Kind::Deployment, name)),
        Some(("statefulset", name)) => Ok((Kind::StatefulSet, name)),
        Some((other, _)) => Err(format!(
            "there is no kind {other} of services in Kubernetes; write NAME, deployment/NAME or \
             statefulset/NAME"
        )),
    }
}

impl Cluster {
    /// Finds a service, without asking for it yet.
    pub(super) async fn workload<'a>(
        &self,
        service: &'a str,
    ) -> Result<Workload<'a>, PlatformError> {
        let failed =
            |why| PlatformError::Service { action: "look at", service: service.to_owned(), why };
        let (kind, name) = read_name(service).map_err(failed)?;
        let client = self.client().await.map_err(failed)?;
        let namespace = match &self.namespace {
            Some(namespace) => namespace.clone(),
            None => client.default_namespace().to_owned(),
        };
        let resource = kind.resource();
        Ok(Workload {
            service,
            kind,
            name,
            objects: Api::namespaced_with(client.clone(), &namespace, &resource),
            pods: Api::namespaced(client, &namespace),
            namespace,
        })
    }

    async fn client(&self) -> Result<Client, String> {
        let mut config = match &self.kubeconfig {
            None => Config::incluster().map_err(|error| {
                format!(
                    "this program does not run in a cluster ({}); set platform.kubeconfig",
                    causes(&error)
                )
            })?,
            Some(path) => {
                let failed = |error| format!("cannot use {}: {}", path.display(), causes(&error));
                let file = Kubeconfig::read_from(path).map_err(failed)?;
                let options =
                    KubeConfigOptions { context: self.context.clone(), ..Default::default() };
                Config::from_custom_kubeconfig(file, &options).await.map_err(failed)?
            }
        };
        config.connect_timeout = Some(PATIENCE);
        config.read_timeout = Some(PATIENCE);
        config.reset_reader_on_write = true;
        // Somebody may have chosen before us, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A command that logs in may be run, and is waited for.
        let made = tokio::task::spawn_blocking(move || Client::try_from(config)).await;
        made.map_err(|panic| panic.to_string())?.map_err(|error| why(&error))
    }
}

impl Workload<'_> {
    pub(super) async fn stop(&self) -> Result<(), PlatformError> {
        let replicas = self.replicas("stop").await?;
        if replicas > 0 {
            let note =
                json!({ "metadata": { "annotations": { REMEMBERED: replicas.to_string() } } });
            self.change("stop", &Patch::Merge(note)).await?;
            self.set_replicas("stop", 0).await?;
        }
        Ok(())
    }

    /// With as many replicas as it had before it was stopped.
    pub(super) async fn start(&self) -> Result<(), PlatformError> {
        let object = self.get("start").await?;
        if replicas_of(&object) > 0 {
            return Ok(());
        }
        let notes = object.metadata.annotations.unwrap_or_default();
        let before = notes.get(REMEMBERED).and_then(|text| text.parse().ok());
        self.set_replicas("start", before.unwrap_or(1)).await
    }

    pub(super) async fn scale(&self, replicas: u32) -> Result<(), PlatformError> {
        self.set_replicas("scale", replicas).await
    }

    /// Its first container, or the one of its own name, runs an image; and it is started.
    pub(super) async fn deploy(&self, image: &str) -> Result<(), PlatformError> {
        let object = self.get("deploy").await?;
        let container = container_of(&object, self.name)
            .and_then(|container| container["name"].as_str())
            .ok_or_else(|| self.failed("deploy", "it has no container".to_owned()))?;
        // Containers are told apart by their names, so that what else is set stays.
        let containers = json!([{ "name": container, "image": image }]);
        let body = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
        self.change("deploy", &Patch::Strategic(body)).await?;
        self.start().await
    }

    pub(super) async fn state(&self) -> Result<State, PlatformError> {
        let object = self.get("look at").await?;
        let selector: LabelSelector =
            serde_json::from_value(object.data["spec"]["selector"].clone()).unwrap_or_default();
        let selector = Selector::try_from(selector)
            .map_err(|error| self.failed("look at", format!("its selector: {error}")))?;
        let wanted = ListParams::default().labels_from(&selector);
        let pods = self.pods.list(&wanted).await;
        let pods = pods.map_err(|error| self.of_api("look at", &error))?;
        Ok(read(&object, pods.items.iter().filter(|pod| is_there(pod)).count(), self.name))
    }

    async fn replicas(&self, action: &'static str) -> Result<u64, PlatformError> {
        Ok(replicas_of(&self.get(action).await?))
    }

    async fn get(&self, action: &'static str) -> Result<DynamicObject, PlatformError> {
        self.objects.get(self.name).await.map_err(|error| self.of_api(action, &error))
    }

    async fn set_replicas(&self, action: &'static str, replicas: u32) -> Result<(), PlatformError> {
        let body = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
        let by = by();
        let send = || self.objects.patch_scale(self.name, &by, &body);
        again(send).await.map_err(|error| self.of_api(action, &error))?;
        Ok(())
    }

    async fn change(&self, action: &'static str, body: &Patch<Value>) -> Result<(), PlatformError> {
        let by = by();
        let send = || self.objects.patch(self.name, &by, body);
        again(send).await.map_err(|error| self.of_api(action, &error))?;
        Ok(())
    }

    fn failed(&self, action: &'static str, why: String) -> PlatformError {
        PlatformError::Service { action, service: self.service.to_owned(), why }
    }

    fn of_api(&self, action: &'static str, error: &Error) -> PlatformError {
        let why = match error {
            Error::Api(status) if status.is_not_found() => {
                format!("the namespace {} has no {:?} {}", self.namespace, self.kind, self.name)
            }
            error => why(error),
        };
        self.failed(action, why)
    }
}

/// Who changes what.
fn by() -> PatchParams {
    PatchParams { field_manager: Some("lifeboat".to_owned()), ..PatchParams::default() }
}

/// Sends a change, again when another one came before it.
async fn again<T, F>(send: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut tries = 1;
    loop {
        match send().await {
            Err(Error::Api(status)) if status.is_conflict() && tries < TRIES => {
                tokio::time::sleep(super::POLL * tries).await;
                tries += 1;
            }
            done => return done,
        }
    }
}

/// What an error means, without what a command that logs in has printed: that may be a token.
fn why(error: &Error) -> String {
    match error {
        Error::Api(status) if status.is_forbidden() => {
            format!("{}; give the account a role that may do so", status.message)
        }
        Error::Api(status) => format!("{} {}: {}", status.code, status.reason, status.message),
        Error::Auth(AuthError::AuthExecRun { out, .. }) => {
            format!("the command of the kubeconfig that logs in failed: {}", out.status)
        }
        Error::Auth(_) => "the kubeconfig's way to log in does not work; try `kubectl get pods` \
                           with it"
            .to_owned(),
        error => format!("the cluster does not answer: {}", causes(error)),
    }
}

fn replicas_of(object: &DynamicObject) -> u64 {
    object.data["spec"]["replicas"].as_u64().unwrap_or(1)
}

/// The container of a name, else the first.
fn container_of<'a>(object: &'a DynamicObject, name: &str) -> Option<&'a Value> {
    let all = object.data["spec"]["template"]["spec"]["containers"].as_array()?;
    all.iter().find(|container| container["name"] == name).or(all.first())
}

/// Whether a pod may still do something.
fn is_there(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, Some("Succeeded" | "Failed"))
}

fn read(object: &DynamicObject, pods: usize, name: &str) -> State {
    let status = &object.data["status"];
    let count = |name: &str| status[name].as_u64().unwrap_or(0);
    let wanted = replicas_of(object);
    let seen = status["observedGeneration"].as_i64() >= object.metadata.generation;
    let all = ["replicas", "updatedReplicas", "readyReplicas"];
    State {
        running: pods > 0,
        settled: seen && pods as u64 == wanted && all.iter().all(|name| count(name) == wanted),
        replicas: u32::try_from(count("readyReplicas")).ok(),
        image: container_of(object, name)
            .and_then(|container| Some(container["image"].as_str()?.to_owned())),
    }
}

#[cfg(test)]
mod tests;
