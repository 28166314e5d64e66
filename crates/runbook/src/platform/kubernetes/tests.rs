//! Against a small server that answers as the published interface does: a cluster is not here.

use std::sync::{Arc, Mutex};

use super::super::Platform;
use super::*;
use crate::testing::{Answer, Request, Server};

const WORKLOAD: &str = "/apis/apps/v1/namespaces/story/deployments/api";

/// A Deployment, as a cluster knows it. Its pods follow what is wanted one at each look.
struct Deployment {
    replicas: u64,
    image: String,
    generation: i64,
    annotations: Value,
    /// Of each pod the image, and whether it is told to end.
    pods: Vec<(String, bool)>,
    /// Pods come and go; else nothing ever does.
    moves: bool,
}

impl Deployment {
    fn new(replicas: u64) -> Self {
        Self {
            replicas,
            image: "story:1".to_owned(),
            generation: 1,
            annotations: json!({}),
            pods: vec![("story:1".to_owned(), false); usize::try_from(replicas).unwrap()],
            moves: true,
        }
    }

    fn object(&self) -> Value {
        let fresh = |pod: &&(String, bool)| pod.0 == self.image && !pod.1;
        // Pods that are told to end do not count.
        let replicas = self.pods.iter().filter(|pod| !pod.1).count();
        let updated = self.pods.iter().filter(fresh).count();
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "name": "api", "namespace": "story", "generation": self.generation,
                "annotations": self.annotations },
            "spec": {
                "replicas": self.replicas,
                "selector": { "matchLabels": { "app": "api" } },
                "template": { "spec": { "containers": [
                    { "name": "proxy", "image": "proxy:7" },
                    { "name": "api", "image": self.image, "env": [{ "name": "A" }] },
                ] } },
            },
            "status": { "observedGeneration": self.generation, "replicas": replicas,
                "updatedReplicas": updated, "readyReplicas": replicas },
        })
    }

    /// One pod goes, or is told to, or comes.
    fn step(&mut self) {
        if !self.moves {
            return;
        }
        let old = |pod: &(String, bool)| pod.0 != self.image;
        let alive = self.pods.iter().filter(|pod| !pod.1).count() as u64;
        if let Some(at) = self.pods.iter().position(|pod| pod.1) {
            self.pods.remove(at);
        } else if let Some(pod) = self.pods.iter_mut().find(|pod| old(pod)) {
            pod.1 = true;
        } else if alive > self.replicas {
            self.pods[0].1 = true;
        } else if alive < self.replicas {
            self.pods.push((self.image.clone(), false));
        }
    }

    fn pods(&self) -> Value {
        let pod = |(index, (image, ends)): (usize, &(String, bool))| {
            let mut metadata = json!({ "name": format!("api-{index}"), "namespace": "story" });
            if *ends {
                metadata["deletionTimestamp"] = json!("2026-11-24T02:00:00Z");
            }
            json!({ "metadata": metadata, "status": { "phase": "Running" },
                "spec": { "containers": [{ "name": "api", "image": image }] } })
        };
        let mut items: Vec<Value> = self.pods.iter().enumerate().map(pod).collect();
        // One that has ended by itself does no harm.
        items.push(json!({ "metadata": { "name": "old" }, "status": { "phase": "Succeeded" } }));
        json!({ "apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": items })
    }

    fn change(&mut self, body: &Value) {
        if let Some(notes) = body["metadata"]["annotations"].as_object() {
            self.annotations = Value::Object(notes.clone());
        }
        if let Some(all) = body["spec"]["template"]["spec"]["containers"].as_array() {
            assert_eq!(all.len(), 1, "{body}");
            assert_eq!(all[0]["name"], "api", "the container of the service's name");
            all[0]["image"].as_str().unwrap().clone_into(&mut self.image);
            self.generation += 1;
        }
    }
}

fn ok(body: &Value) -> Answer {
    ("200 OK", json_type(), body.to_string())
}

fn json_type() -> Vec<(&'static str, String)> {
    vec![("content-type", "application/json".to_owned())]
}

/// How the interface tells what is wrong.
fn wrong(status: &'static str, reason: &str, message: &str) -> Answer {
    let code: u16 = status[..3].parse().unwrap();
    let body = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code });
    (status, json_type(), body.to_string())
}

fn answer(deployment: &mut Deployment, request: &Request) -> Answer {
    if !request.has_token("SECRET") {
        return wrong("401 Unauthorized", "Unauthorized", "Unauthorized");
    }
    let path = request.path.split('?').next().unwrap();
    match (request.method.as_str(), path.strip_prefix(WORKLOAD)) {
        ("GET", Some("")) => ok(&deployment.object()),
        ("PATCH", Some("")) => {
            deployment.change(&request.json());
            ok(&deployment.object())
        }
        ("PATCH", Some("/scale")) => {
            let replicas = request.json()["spec"]["replicas"].as_u64().unwrap();
            deployment.replicas = replicas;
            deployment.generation += 1;
            ok(&json!({ "apiVersion": "autoscaling/v1", "kind": "Scale",
                "metadata": { "name": "api" }, "spec": { "replicas": replicas } }))
        }
        ("GET", None) if path == "/api/v1/namespaces/story/pods" => {
            assert!(request.path.contains("labelSelector=app%3Dapi"), "{}", request.path);
            let pods = deployment.pods();
            deployment.step();
            ok(&pods)
        }
        _ => wrong("404 Not Found", "NotFound", "the server could not find it"),
    }
}

/// The settings of a server, in a file of two contexts.
fn settings(server: &Server, folder: &std::path::Path) -> Platform {
    let endpoint = &server.endpoint;
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: west\n\
         clusters:\n- {{name: east, cluster: {{server: '{endpoint}'}}}}\n\
         - {{name: west, cluster: {{server: 'http://127.0.0.1:1'}}}}\n\
         users:\n- {{name: lifeboat, user: {{token: SECRET}}}}\n\
         contexts:\n- {{name: east, context: {{cluster: east, user: lifeboat, namespace: story}}}}\n\
         - {{name: west, context: {{cluster: west, user: lifeboat}}}}\n"
    );
    std::fs::write(folder.join("kubeconfig"), text).unwrap();
    let mut platform: Platform =
        toml::from_str("kind = \"kubernetes\"\nkubeconfig = \"kubeconfig\"\ncontext = \"east\"\n")
            .unwrap();
    platform.resolve(folder);
    platform
}

struct World {
    deployment: Arc<Mutex<Deployment>>,
    server: Server,
    platform: Platform,
    _folder: tempfile::TempDir,
}

async fn world(
    replicas: u64,
    mut first: impl FnMut(&Request) -> Option<Answer> + Send + 'static,
) -> World {
    let deployment = Arc::new(Mutex::new(Deployment::new(replicas)));
    let known = Arc::clone(&deployment);
    let server = Server::start(move |request| {
        first(request).unwrap_or_else(|| answer(&mut known.lock().unwrap(), request))
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let platform = settings(&server, folder.path());
    World { deployment, server, platform, _folder: folder }
}

const LONG: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_service_is_stopped_when_its_last_pod_is_gone_and_comes_back_as_it_was() {
    let world = world(3, |_| None).await;
    for _ in 0..2 {
        world.platform.stop("api", LONG).await.unwrap();
        assert!(world.deployment.lock().unwrap().pods.is_empty());
    }
    let state = world.platform.state("deployment/api").await.unwrap();
    assert_eq!((state.running, state.settled, state.replicas), (false, true, Some(0)));
    for _ in 0..2 {
        world.platform.start("api", LONG).await.unwrap();
        assert_eq!(world.deployment.lock().unwrap().pods.len(), 3);
    }
    world.platform.scale("api", 1, LONG).await.unwrap();
    assert_eq!(world.deployment.lock().unwrap().pods.len(), 1);
    let scaled: Vec<_> = world
        .server
        .asked()
        .into_iter()
        .filter(|request| request.method == "PATCH" && request.path.contains("/scale?"))
        .map(|request| request.json()["spec"]["replicas"].as_u64().unwrap())
        .collect();
    assert_eq!(scaled, [0, 3, 1], "what is so already is not asked for");
}

#[tokio::test]
async fn an_image_is_there_when_no_old_pod_is() {
    let world = world(0, |_| None).await;
    world.deployment.lock().unwrap().annotations = json!({ REMEMBERED: "2" });
    world.platform.deploy("api", "story:2", LONG).await.unwrap();
    world.platform.deploy("api", "story:3", LONG).await.unwrap();
    let state = world.platform.state("api").await.unwrap();
    assert_eq!(state.image.as_deref(), Some("story:3"));
    let deployment = world.deployment.lock().unwrap();
    assert_eq!(deployment.pods, vec![("story:3".to_owned(), false); 2]);
    drop(deployment);
    let types: Vec<_> = world
        .server
        .asked()
        .into_iter()
        .filter(|request| request.method == "PATCH" && !request.path.contains("/scale"))
        .map(|request| request.head.contains("application/strategic-merge-patch+json"))
        .collect();
    assert_eq!(types, [true, true], "the other container is kept");
}

#[tokio::test]
async fn a_rollout_that_does_not_come_to_an_end_is_told() {
    let world = world(2, |_| None).await;
    world.deployment.lock().unwrap().moves = false;
    let error = world.platform.deploy("api", "story:2", Duration::ZERO).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("not running story:2 within 0 s"), "{text}");
    assert!(text.contains("running, 2 instances, story:2, not ready yet"), "{text}");
    let error = world.platform.stop("api", Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.contains("not stopped within 0 s: it is running"), "{error}");
}

#[tokio::test]
async fn another_change_that_came_before_is_no_failure() {
    let mut left = 2;
    let world = world(1, move |request| {
        let conflict = request.method == "PATCH" && left > 0;
        left -= i32::from(conflict);
        conflict.then(|| wrong("409 Conflict", "Conflict", "the object has been modified"))
    })
    .await;
    world.platform.stop("api", LONG).await.unwrap();
    let always = self::world(1, |request| {
        let conflict = request.method == "PATCH";
        conflict.then(|| wrong("409 Conflict", "Conflict", "the object has been modified"))
    })
    .await;
    let error = always.platform.stop("api", LONG).await.unwrap_err().to_string();
    assert!(error.contains("409 Conflict: the object has been modified"), "{error}");
    let tries = always.server.asked().iter().filter(|request| request.method == "PATCH").count();
    assert_eq!(tries, TRIES as usize);
}

#[tokio::test]
async fn what_fails_is_told_without_the_token() {
    let world = world(1, |request| {
        let denied = request.path.contains("/scale");
        denied.then(|| wrong("403 Forbidden", "Forbidden", "deployments.apps \"api\" is forbidden"))
    })
    .await;
    let error = world.platform.scale("api", 2, LONG).await.unwrap_err().to_string();
    assert!(error.contains("cannot scale the service api: deployments.apps"), "{error}");
    assert!(error.contains("give the account a role"), "{error}");
    let error = world.platform.state("worker").await.unwrap_err().to_string();
    assert!(error.contains("the namespace story has no Deployment worker"), "{error}");
    let error = world.platform.state("statefulset/db").await.unwrap_err().to_string();
    assert!(error.contains("the namespace story has no StatefulSet db"), "{error}");
    let error = world.platform.state("job/x").await.unwrap_err().to_string();
    assert!(error.contains("there is no kind job"), "{error}");

    let Platform::Kubernetes(cluster) = &world.platform else { panic!() };
    let west = Platform::Kubernetes(Cluster { context: None, ..cluster.clone() });
    let error = west.state("api").await.unwrap_err().to_string();
    assert!(error.contains("the cluster does not answer"), "{error}");
    let north = Cluster { context: Some("north".to_owned()), ..cluster.clone() };
    let error = Platform::Kubernetes(north).state("api").await.unwrap_err().to_string();
    assert!(error.contains("kubeconfig") && error.contains("north"), "{error}");
    let error = Platform::Kubernetes(Cluster::default()).state("api").await.unwrap_err();
    assert!(error.to_string().contains("set platform.kubeconfig"), "{error}");
}

#[tokio::test]
async fn what_a_command_prints_that_cannot_log_in_is_not_told() {
    let world = world(1, |_| None).await;
    let Platform::Kubernetes(cluster) = &world.platform else { panic!() };
    let path = cluster.kubeconfig.as_ref().unwrap();
    let text = std::fs::read_to_string(path).unwrap().replace(
        "{token: SECRET}",
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: sh, \
         args: ['-c', 'echo SECRET; exit 3'], interactiveMode: Never}}",
    );
    std::fs::write(path, text).unwrap();
    let error = world.platform.state("api").await.unwrap_err().to_string();
    assert!(error.contains("logs in failed") && !error.contains("SECRET"), "{error}");
}
