//! Azure Container Apps (<https://learn.microsoft.com/rest/api/containerapps/container-apps>).

use reqwest::Method;
use serde_json::{Value, json};

use super::{Platform, PlatformError, State};
use crate::azure::{AzureError, Login};

/// The version of the interface; the first stable one that can stop and start an app.
const VERSION: &str = "2025-01-01";

/// An app.
pub(super) struct App<'a> {
    login: &'a Login,
    path: String,
    name: &'a str,
}

impl<'a> App<'a> {
    pub(super) fn of(platform: &'a Platform, name: &'a str) -> Self {
        static NONE: Login = Login { token_command: None, client_id: None, endpoint: None };
        match platform {
            Platform::AzureContainerApps { subscription, resource_group, login } => Self {
                login,
                path: format!(
                    "/subscriptions/{subscription}/resourceGroups/{resource_group}/providers/\
                     Microsoft.App/containerApps/{name}"
                ),
                name,
            },
            _ => Self { login: &NONE, path: String::new(), name },
        }
    }

    fn failed(&self, action: &'static str) -> impl Fn(AzureError) -> PlatformError {
        let service = self.name.to_owned();
        move |error| PlatformError::Service { action, service: service.clone(), why: error.0 }
    }

    async fn call(
        &self,
        action: &'static str,
        method: Method,
        rest: &str,
        body: Option<&Value>,
    ) -> Result<Value, PlatformError> {
        let path = format!("{}{rest}?api-version={VERSION}", self.path);
        let answer = self.login.call(method, &path, body).await.map_err(self.failed(action))?;
        answer.ok_or_else(|| self.failed(action)(AzureError("there is no such app".to_owned())))
    }

    pub(super) async fn stop(&self) -> Result<(), PlatformError> {
        self.call("stop", Method::POST, "/stop", None).await.map(|_| ())
    }

    pub(super) async fn start(&self) -> Result<(), PlatformError> {
        self.call("start", Method::POST, "/start", None).await.map(|_| ())
    }

    pub(super) async fn scale(&self, replicas: u32) -> Result<(), PlatformError> {
        let scale = json!({ "minReplicas": replicas, "maxReplicas": replicas.max(1) });
        let body = json!({ "properties": { "template": { "scale": scale } } });
        self.call("scale", Method::PATCH, "", Some(&body)).await.map(|_| ())
    }

    pub(super) async fn deploy(&self, image: &str) -> Result<(), PlatformError> {
        // The list of containers is replaced whole, so what else stands in it is kept.
        let app = self.call("deploy", Method::GET, "", None).await?;
        let mut containers = app["properties"]["template"]["containers"].clone();
        let first = containers.get_mut(0).ok_or_else(|| {
            self.failed("deploy")(AzureError("the app has no container".to_owned()))
        })?;
        first["image"] = json!(image);
        let body = json!({ "properties": { "template": { "containers": containers } } });
        self.call("deploy", Method::PATCH, "", Some(&body)).await?;
        self.start().await
    }

    pub(super) async fn state(&self) -> Result<State, PlatformError> {
        let app = self.call("look at", Method::GET, "", None).await?;
        Ok(read(&app))
    }
}

fn read(app: &Value) -> State {
    let properties = &app["properties"];
    let running = properties["runningStatus"].as_str().is_none_or(|status| status == "Running");
    let settled = properties["provisioningState"].as_str() == Some("Succeeded");
    let template = &properties["template"];
    State {
        running,
        settled,
        replicas: template["scale"]["minReplicas"].as_u64().and_then(|n| u32::try_from(n).ok()),
        image: template["containers"][0]["image"].as_str().map(ToOwned::to_owned),
    }
}
