use std::collections::BTreeMap;

use super::*;
use crate::model::DropletKind;

fn catalog() -> Catalog {
    Catalog::parse([]).unwrap()
}

/// Runs `then` on what is known of an app with these files.
fn with<R>(files: &[(&str, &str)], then: impl FnOnce(&Catalog, Facts<'_>) -> R) -> R {
    let tree: Tree = files.iter().copied().collect();
    let facts = Facts {
        files: &tree,
        env: &BTreeMap::new(),
        own_command: false,
    };
    then(&catalog(), facts)
}

#[test]
fn every_file_is_built_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/runtimes");
    let mut there: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    there.sort();
    let built_in: Vec<_> = BUILT_IN.iter().map(|(file, _)| *file).collect();
    assert_eq!(there, built_in);
}

#[test]
fn every_runtime_has_an_example_that_it_recognises() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut seen = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(examples).unwrap() {
        let folder = entry.unwrap().path();
        if folder.is_file() {
            continue;
        }
        let files: Vec<(String, String)> = walk(&folder, &folder);
        let tree: Tree = files.into_iter().collect();
        let facts = Facts {
            files: &tree,
            env: &BTreeMap::new(),
            own_command: false,
        };
        let catalog = catalog();
        let found = detect(&catalog, facts, &[]).unwrap();
        seen.insert(found[0].name.clone());
    }
    let known: std::collections::BTreeSet<_> = catalog()
        .iter()
        .map(|runtime| runtime.name.clone())
        .collect();
    assert_eq!(seen, known);
}

fn walk(top: &std::path::Path, folder: &std::path::Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(top, &path));
        } else {
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            found.push((name, std::fs::read_to_string(&path).unwrap_or_default()));
        }
    }
    found
}

#[test]
fn recognises_apps() {
    let check = |files: &[&str], expected: &str| {
        let files: Vec<_> = files.iter().map(|file| (*file, "")).collect();
        let found = with(&files, |catalog, facts| {
            detect(catalog, facts, &[]).map(|found| found[0].name.clone())
        });
        assert_eq!(found.as_deref().ok(), Some(expected), "{files:?}");
    };
    check(&["requirements.txt", "index.html"], "python");
    check(&["app.py"], "python");
    check(&["pyproject.toml", "src/x.py"], "python");
    check(&["package.json", "index.html"], "nodejs");
    check(&["server.js"], "nodejs");
    check(&["go.mod", "main.go", "Procfile"], "go");
    check(&["pom.xml", "package.json"], "java");
    check(&["app.jar"], "java");
    check(&["Staticfile", "package.json"], "static");
    check(&["index.html", "game.wasm"], "static");
    check(&["hello.wasm", "README.md"], "wasm");
    check(&["Procfile", "run"], "procfile");
    check(&["Gemfile", "package.json", "config.ru"], "ruby");
    check(
        &["composer.json", "package.json", "public/index.php"],
        "php",
    );
    check(&["index.php", "index.html"], "php");
    check(&["Cargo.toml", "src/main.rs"], "rust");
    check(&["nginx.conf", "index.html"], "nginx");
    check(&["WEB-INF/web.xml", "index.jsp"], "java");
    check(&["shop.war"], "java");
    check(&["gradlew", "build.gradle.kts"], "java");
    check(&["app.csproj", "Program.cs"], "dotnet");
    check(&["plumber.R"], "r");
    check(&["manage.py", "site/settings.py"], "python");
    check(&["Pipfile", "run.py"], "python");
    check(&["main.go"], "go");
}

#[test]
fn an_exploded_jar_is_recognised_by_its_main_class() {
    let manifest = "Manifest-Version: 1.0\r\nMain-Class: com.example.Main\r\n";
    let files = [
        ("META-INF/MANIFEST.MF", manifest),
        ("com/example/Main.class", ""),
    ];
    with(&files, |catalog, facts| {
        let found = detect(catalog, facts, &[]).unwrap();
        assert_eq!(found[0].name, "java");
        let release = release(found[0], facts).unwrap();
        assert_eq!(
            release.process_types[&crate::model::ProcessType::web()],
            "exec java $JAVA_OPTS -cp . com.example.Main"
        );
    });
}

#[test]
fn answers_to_the_names_of_cloud_foundry() {
    let catalog = catalog();
    let check = |name: &str, expected: Option<&str>| {
        let found = catalog.answering(name).map(|runtime| runtime.name.as_str());
        assert_eq!(found, expected, "{name}");
    };
    check("python_buildpack", Some("python"));
    check("python_buildpack_offline", Some("python"));
    check("Java_Buildpack", Some("java"));
    check("staticfile_buildpack", Some("static"));
    check("binary_buildpack", Some("procfile"));
    check("nodejs", Some("nodejs"));
    check("ruby_buildpack_offline", Some("ruby"));
    check("dotnet_core_buildpack", Some("dotnet"));
    check("php_buildpack", Some("php"));
    check("nginx_buildpack", Some("nginx"));
    check("r_buildpack", Some("r"));
    check("elixir_buildpack", None);
}

#[test]
fn an_unknown_buildpack_is_told_with_those_that_there_are() {
    let address = "https://github.com/cloudfoundry/python-buildpack.git#v1.8.0".to_owned();
    let error = with(&[("app.py", "")], |catalog, facts| {
        detect(catalog, facts, &[address]).unwrap_err()
    });
    insta::assert_snapshot!(error);
}

#[test]
fn what_nothing_recognises_is_told_with_what_was_seen() {
    let files = [("README.md", ""), ("src/a.rb", ""), ("src/b.rb", "")];
    let error = with(&files, |catalog, facts| {
        detect(catalog, facts, &[]).unwrap_err()
    });
    insta::assert_snapshot!(error);
    let error = with(&[], |catalog, facts| {
        detect(catalog, facts, &[]).unwrap_err()
    });
    assert_eq!(error, DetectError::Empty);
}

/// The steps and the start command of an app, as text.
fn shown(files: &[(&str, &str)]) -> String {
    with(files, |catalog, facts| {
        let runtime = detect(catalog, facts, &[]).unwrap()[0];
        let steps: Vec<_> = steps(runtime, facts)
            .into_iter()
            .map(|step| step.name)
            .collect();
        let start = match release(runtime, facts) {
            Ok(release) if runtime.kind == DropletKind::Static => {
                format!("root {:?}", release.root)
            }
            Ok(release) => release
                .process_types
                .iter()
                .map(|(process, command)| format!("{process}: {command}"))
                .collect::<Vec<_>>()
                .join(", "),
            Err(error) => format!("error: {error}"),
        };
        format!("{} | {} | {start}", runtime.name, steps.join(", "))
    })
}

#[test]
fn apps_are_built_and_started_by_their_conventions() {
    let apps: &[&[(&str, &str)]] = &[
        &[("app.py", "print(1)")],
        &[("requirements.txt", "# none\n"), ("main.py", "")],
        &[
            ("requirements.txt", "Flask==3\ngunicorn\n"),
            ("app.py", "app = Flask(__name__)"),
        ],
        &[
            ("requirements.txt", "gunicorn==1"),
            ("wsgi.py", "from x import app as application"),
        ],
        &[
            ("requirements.txt", "gunicorn==1"),
            ("wsgi.py", "application = make()"),
        ],
        &[
            ("requirements.txt", "flask\n"),
            ("app.py", "app = Flask(__name__)"),
        ],
        &[
            ("requirements.txt", "flask\n"),
            ("app.py", "app = Flask(__name__)\napp.run(port=1)"),
        ],
        &[
            ("requirements.txt", "fastapi\nuvicorn[standard]\n"),
            ("main.py", "api = FastAPI()"),
        ],
        &[
            (
                "pyproject.toml",
                "[project]\nname='x'\n[build-system]\nrequires=[]",
            ),
            ("Procfile", "web: x --port $PORT"),
        ],
        &[
            (
                "pyproject.toml",
                "[project]\nname='x'\ndependencies=['flask', \"gunicorn>=20\"]",
            ),
            ("app.py", "app = Flask(__name__)"),
        ],
        &[("requirements.txt", "flask"), ("thing.py", "")],
        &[("package.json", r#"{"scripts":{"start":"node ."}}"#)],
        &[(
            "package.json",
            r#"{"main":"a b.js","dependencies":{"x":"1"}}"#,
        )],
        &[
            ("package.json", r#"{"main":"a.js"}"#),
            ("package-lock.json", "{}"),
        ],
        &[
            (
                "package.json",
                r#"{"scripts":{"build":"b","start":"s"},"devDependencies":{"x":"1"}}"#,
            ),
            ("package-lock.json", "{}"),
        ],
        &[
            ("package.json", "{}"),
            ("node_modules/a/package.json", "{}"),
        ],
        &[("go.mod", ""), ("bin/web", "")],
        &[
            ("pom.xml", ""),
            ("target/a.jar", ""),
            ("target/original-a.jar", ""),
        ],
        &[("a.jar", "")],
        &[("a.jar", ""), ("b.jar", "")],
        &[("pom.xml", ""), ("target/shop.war", "")],
        &[("WEB-INF/web.xml", ""), ("index.jsp", "")],
        &[
            ("build.gradle", ""),
            ("gradlew", ""),
            ("build/libs/a.jar", ""),
            ("build/libs/a-plain.jar", ""),
        ],
        &[
            ("requirements.txt", "Django==5\ngunicorn"),
            (
                "manage.py",
                "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')",
            ),
            ("shop/settings.py", "STATIC_ROOT = 'x'"),
        ],
        &[("requirements.txt", "Django==5"), ("manage.py", "")],
        &[
            ("pyproject.toml", "[project]\nname='x'"),
            ("uv.lock", ""),
            ("app.py", ""),
        ],
        &[
            ("package.json", r#"{"scripts":{"start":"s","build":"b"}}"#),
            ("yarn.lock", ""),
        ],
        &[
            (
                "package.json",
                r#"{"main":"a.js","dependencies":{"x":"1"}}"#,
            ),
            ("pnpm-lock.yaml", ""),
        ],
        &[("Gemfile", "gem 'puma'"), ("config.ru", "")],
        &[
            ("Gemfile", "gem 'rails'"),
            ("config/application.rb", ""),
            ("bin/rails", ""),
            ("app/assets/a.css", ""),
        ],
        &[("Gemfile", ""), ("app.rb", "require 'sinatra'")],
        &[("composer.json", "{}"), ("public/index.php", "")],
        &[
            ("composer.json", "{}"),
            ("vendor/autoload.php", ""),
            ("index.php", ""),
        ],
        &[("Cargo.toml", ""), ("bin/web", "")],
        &[("nginx.conf", "")],
        &[("app.runtimeconfig.json", ""), ("app.dll", "")],
        &[("plumber.R", "")],
        &[("server.R", ""), ("ui.R", "")],
        &[("Staticfile", "root: public"), ("public/index.html", "")],
        &[("Staticfile", "root: ../etc"), ("public/index.html", "")],
        &[("index.html", "")],
        &[("hello.wasm", "")],
        &[("a.wasm", ""), ("b.wasm", "")],
        &[("a.wasm", ""), ("wasm.toml", "component = 'x/b.wasm'")],
        &[("Procfile", "web: ./run\nworker: ./work")],
    ];
    let shown: Vec<_> = apps.iter().map(|files| shown(files)).collect();
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn an_operators_file_replaces_and_adds() {
    let text = "name = \"python\"\nlabel = \"Our Python\"\nkind = \"process\"\nbuildpacks = []\n";
    let other = text.replace("\"python\"", "\"perl\"");
    let catalog = Catalog::parse([("python.toml", text), ("perl.toml", &other)]).unwrap();
    assert_eq!(catalog.answering("python").unwrap().label, "Our Python");
    assert_eq!(catalog.iter().count(), BUILT_IN.len() + 1);
}

#[test]
fn a_wrong_file_is_told_with_its_line() {
    let head = "name = \"x\"\nlabel = \"X\"\nkind = \"process\"\nbuildpacks = []\n";
    let check = |tail: &str, expected: &str| {
        let text = format!("{head}{tail}");
        let error = Catalog::parse([("x.toml", text.as_str())])
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    check("colour = 1\n", "x.toml, line 5: unknown field `colour`");
    check("[[detect]]\npriority = -1\n", "x.toml, line 6:");
    check(
        "[[start]]\nrun = \"run {{file}}\"\n",
        "x.toml, line 6: nothing in its `when` has `as = \"file\"`",
    );
    check(
        "[[start]]\nrun = \"run\"\n[start.when]\nall = [{ file = \"a\", toml = \"b\" }]\n",
        "x.toml, line 8:",
    );
    check(
        "[[files]]\npath = \"../x\"\ntext = \"\"\n",
        "x.toml, line 6: \"../x\" is not a path",
    );
    check(
        "[version]\ntool = \"x\"\nargs = []\nmatches = \"x\"\n",
        "x.toml, line 5: \"x\" is none of its tools",
    );
    check("= 1", "x.toml, line 5:");
}

#[test]
fn the_documented_runtime_is_one() {
    let docs = include_str!("../../docs/languages.md");
    let toml = docs.split("```toml\n").nth(1).unwrap();
    let toml = toml.split("```").next().unwrap();
    let catalog = Catalog::parse([("perl.toml", toml)]).unwrap();
    for runtime in catalog.iter() {
        assert!(docs.contains(&format!("`{}`", runtime.buildpack())) || runtime.name == "perl");
    }
}
