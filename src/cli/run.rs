//! From a verb to an exit code.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use super::{
    api::Api,
    args::{Deployment, Format, NetworkPolicy, Quota, Route, SecurityGroup, Task, Verb},
    context::Context,
    failure::{Failure, Outcome},
    output::Output,
    places::Places,
    profile::Profile,
    push,
    verbs::{self, place::Kind},
};

/// Does what a client was asked for, and tells the outcome.
#[must_use]
pub fn main(verb: Verb, format: Format) -> ExitCode {
    let output = Output::standard(format);
    // One thread is plenty for somebody who waits for one thing after the other.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(|error| Failure::Other(error.into()))
        .and_then(|runtime| runtime.block_on(run(verb, &Places::here(), &output)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !matches!(failure, Failure::Remote(_)) {
                output.failure(&failure);
            }
            failure.exit()
        }
    }
}

/// Prints the completions of `command` for a shell.
#[must_use]
pub fn completions(shell: clap_complete::Shell, command: &mut clap::Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, command, "pastina", &mut script);
    match io::stdout().write_all(&script) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

pub(super) async fn run(verb: Verb, places: &Places, output: &Output) -> Outcome<()> {
    let profile = Profile::read(&places.client_dir)?;
    if let Verb::Login(args) = verb {
        return verbs::login::login(args, profile, places, output).await;
    }
    let api = Api::try_new(profile, places.client_dir.clone(), output)?;
    let context = &Context { api, output };
    match verb {
        Verb::Login(_) => Ok(()),
        Verb::Logout => verbs::login::logout(context).await,
        Verb::Target(args) => verbs::target::target(context, &args).await,
        Verb::Push(args) => push::push(context, &args).await,
        Verb::Apps => verbs::apps::apps(context).await,
        Verb::App(args) => verbs::app::app(context, &args.name).await,
        Verb::Logs(args) => verbs::logs::logs(context, &args).await,
        Verb::Events(args) => verbs::events::events(context, &args.name).await,
        Verb::Runtimes => verbs::runtimes::runtimes(context).await,
        Verb::Scale(args) => verbs::scale::scale(context, &args).await,
        Verb::Start(args) => verbs::lifecycle::start(context, &args.name).await,
        Verb::Stop(args) => verbs::lifecycle::stop(context, &args.name).await,
        Verb::Restart(args) => verbs::lifecycle::restart(context, &args).await,
        Verb::Restage(args) => verbs::lifecycle::restage(context, &args.name).await,
        Verb::Delete(args) => verbs::lifecycle::delete(context, &args).await,
        Verb::Env(args) => verbs::env::show(context, &args.name).await,
        Verb::SetEnv(args) => verbs::env::set(context, &args).await,
        Verb::UnsetEnv(args) => verbs::env::unset(context, &args).await,
        Verb::Deployment(verb) => match verb {
            Deployment::List { app } => verbs::deployment::list(context, &app).await,
            Deployment::Continue { app } => verbs::deployment::go_on(context, &app).await,
            Deployment::Cancel { app } => verbs::deployment::cancel(context, &app).await,
        },
        Verb::Revisions(args) => verbs::deployment::revisions(context, &args.name).await,
        Verb::Rollback(args) => verbs::deployment::rollback(context, &args).await,
        Verb::Task(Task::Run(args)) => verbs::task::run(context, &args).await,
        Verb::Task(Task::List { app }) => verbs::task::list(context, &app).await,
        Verb::Task(Task::Show { app, number }) => verbs::task::show(context, &app, number).await,
        Verb::Task(Task::Cancel { app, number }) => {
            verbs::task::cancel(context, &app, number).await
        }
        Verb::Route(Route::List) => verbs::route::list(context).await,
        Verb::Route(Route::Create { address }) => verbs::route::create(context, &address).await,
        Verb::Route(Route::Map { app, address }) => {
            verbs::route::map(context, &app, &address).await
        }
        Verb::Route(Route::Unmap { app, address }) => {
            verbs::route::unmap(context, &app, &address).await
        }
        Verb::Route(Route::Delete { address, force }) => {
            verbs::route::delete(context, &address, force).await
        }
        Verb::Service(verb) => verbs::service::run(context, verb).await,
        Verb::Broker(verb) => verbs::broker::run(context, verb).await,
        Verb::Org(verb) => verbs::place::run(context, Kind::Org, verb).await,
        Verb::Space(verb) => verbs::place::run(context, Kind::Space, verb).await,
        Verb::User(verb) => verbs::user::run(context, verb).await,
        Verb::Role(verb) => verbs::role::run(context, verb).await,
        Verb::Git(verb) => verbs::git::run(context, verb).await,
        Verb::Ssh(args) => verbs::ssh::ssh(context, &args).await,
        Verb::NetworkPolicy(verb) => match verb {
            NetworkPolicy::List { source } => {
                verbs::network_policy::list(context, source.as_deref()).await
            }
            NetworkPolicy::Add(ends) => verbs::network_policy::add(context, &ends).await,
            NetworkPolicy::Remove(ends) => verbs::network_policy::remove(context, &ends).await,
        },
        Verb::SecurityGroup(verb) => security_group(context, verb).await,
        Verb::Quota(verb) => quota(context, verb).await,
    }
}

async fn security_group(context: &Context<'_>, verb: SecurityGroup) -> Outcome<()> {
    match verb {
        SecurityGroup::List => verbs::security_group::list(context).await,
        SecurityGroup::Show { name } => verbs::security_group::show(context, &name).await,
        SecurityGroup::Create { name, rules } => {
            verbs::security_group::create(context, &name, &rules).await
        }
        SecurityGroup::Update { name, rules } => {
            verbs::security_group::update(context, &name, &rules).await
        }
        SecurityGroup::Bind(place) => verbs::security_group::bind(context, &place).await,
        SecurityGroup::Unbind(place) => verbs::security_group::unbind(context, &place).await,
        SecurityGroup::Delete { name, force } => {
            verbs::security_group::delete(context, &name, force).await
        }
    }
}

async fn quota(context: &Context<'_>, verb: Quota) -> Outcome<()> {
    match verb {
        Quota::Usage => verbs::quota::usage(context).await,
        Quota::List { spaces } => verbs::quota::list(context, spaces).await,
        Quota::Set {
            name,
            spaces,
            limits,
        } => verbs::quota::set(context, &name, spaces, &limits).await,
        Quota::Apply { name, space } => verbs::quota::apply(context, &name, space).await,
        Quota::Delete {
            name,
            spaces,
            force,
        } => verbs::quota::delete(context, &name, spaces, force).await,
    }
}
