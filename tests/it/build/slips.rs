//! Common mistakes in each language end in one sentence that names the cause and the mend.

use super::place::Place;

/// A mistake: the app's files, and what the first line of the failure has.
type Slip<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

/// Those that need no registry.
const SLIPS: &[Slip<'static>] = &[
    // Python
    (
        "a module that nobody has",
        &[("app.py", "import os\nimport flask\n")],
        &["app.py imports flask", "requirements.txt"],
    ),
    (
        "a slip in Python",
        &[("app.py", "def f(:\n    pass\n")],
        &["app.py has a syntax error in line 1"],
    ),
    (
        "another Python",
        &[("app.py", "print(1)"), ("runtime.txt", "python-2.7.18")],
        &["runtime.txt wants Python 2.7.18, and this host has 3."],
    ),
    (
        "a lock file that lags behind",
        &[
            ("app.py", "print(1)"),
            ("Pipfile", "[packages]\nflask = \"*\"\n"),
            ("Pipfile.lock", r#"{"_meta":{},"default":{}}"#),
        ],
        &["Pipfile.lock does not fit the Pipfile any more, it has no flask: run `pipenv lock`"],
    ),
    (
        "no word of how to start",
        &[("requirements.txt", ""), ("thing.py", "")],
        &["nothing says how to start this Python app: add a Procfile"],
    ),
    // Node.js
    (
        "a module that package.json lacks",
        &[
            ("package.json", "{}"),
            ("server.js", "const e = require('express')\n"),
        ],
        &[
            "server.js needs the module express",
            "`npm install express`",
        ],
    ),
    (
        "a slip in JavaScript",
        &[("server.js", "let a = 1\nlet = = 2\n")],
        &["server.js has a syntax error in line 2"],
    ),
    (
        "package.json that is none",
        &[("package.json", "{\"a\": 1,}"), ("server.js", "")],
        &["package.json is no valid JSON"],
    ),
    (
        "another Node.js",
        &[
            ("package.json", r#"{"engines":{"node":">=99"}}"#),
            ("server.js", ""),
        ],
        &["package.json wants Node.js >=99, and this host has"],
    ),
    (
        "a lock file of npm's that lags behind",
        &[
            (
                "package.json",
                r#"{"name":"x","version":"1.0.0","dependencies":{"left-pad":"1.3.0"}}"#,
            ),
            (
                "package-lock.json",
                r#"{"name":"x","version":"1.0.0","lockfileVersion":3,"packages":{"":{"name":"x","version":"1.0.0"}}}"#,
            ),
            ("server.js", ""),
        ],
        &["package-lock.json does not fit package.json any more: run `npm install`"],
    ),
    // Go
    (
        "no go.mod",
        &[("main.go", "package main\nfunc main() {}\n")],
        &["there is no go.mod: run `go mod init NAME`"],
    ),
    (
        "a slip in Go",
        &[
            ("go.mod", "module x\ngo 1.20\n"),
            ("main.go", "package main\nfunc main() { x := }\n"),
        ],
        &["main.go, line 2: syntax error"],
    ),
    (
        "another Go",
        &[
            ("go.mod", "module x\ngo 1.99\n"),
            ("main.go", "package main\nfunc main() {}\n"),
        ],
        &["go.mod wants Go 1.99 or later, and this host has"],
    ),
    (
        "vendor/ that lags behind",
        &[
            (
                "go.mod",
                "module x\ngo 1.20\nrequire github.com/pkg/errors v0.9.1\n",
            ),
            ("main.go", "package main\nfunc main() {}\n"),
            ("vendor/modules.txt", ""),
        ],
        &["vendor/ does not fit go.mod any more: run `go mod vendor`"],
    ),
    // Java
    (
        "no JAR that can be started",
        &[("a.jar", ""), ("b.jar", "")],
        &["found no JAR that can be started"],
    ),
    (
        "a build file that is none",
        &[("pom.xml", "<project><modelVersion>4.0.0</project>")],
        &["pom.xml is not well formed"],
    ),
    (
        "another Java",
        &[(
            "pom.xml",
            "<project><properties><java.version>99</java.version></properties></project>",
        )],
        &["pom.xml wants Java 99 or later, and this host has"],
    ),
    (
        "a Tomcat that there is not",
        &[("WEB-INF/web.xml", ""), ("WEB-INF/x", "")],
        &["there is no Tomcat 4: TOMCAT_VERSION may be 9"],
    ),
    // Ruby
    (
        "a slip in Ruby",
        &[("app.rb", "def a\n  1 +\nend end\n")],
        &["app.rb has a syntax error in line 3"],
    ),
    (
        "another Ruby",
        &[("app.rb", ""), (".ruby-version", "9.9.1")],
        &[".ruby-version wants Ruby 9.9.1, and this host has"],
    ),
    (
        "a lock file of Bundler's that lags behind",
        &[
            (
                "Gemfile",
                "source 'https://rubygems.org'\ngem 'puma'\ngem 'rack'\n",
            ),
            (
                "Gemfile.lock",
                "GEM\n  remote: https://rubygems.org/\n  specs:\n\nPLATFORMS\n  ruby\n\nDEPENDENCIES\n\nBUNDLED WITH\n   2.3.15\n",
            ),
            ("app.rb", ""),
        ],
        &[
            "Gemfile.lock does not fit the Gemfile any more, it lacks puma",
            "`bundle install`",
        ],
    ),
    // PHP
    (
        "a slip in PHP",
        &[("index.php", "<?php\nif (1) {\n")],
        &["index.php, line 3: Unclosed '{' on line 2"],
    ),
    (
        "another PHP",
        &[
            ("index.php", ""),
            ("composer.json", r#"{"require":{"php":"^5.6"}}"#),
        ],
        &["composer.json wants PHP ^5.6, and this host has"],
    ),
    (
        "an extension that the host lacks",
        &[
            ("index.php", ""),
            ("composer.json", r#"{"require":{"ext-imagick":"*"}}"#),
        ],
        &[
            "the app needs PHP's extension imagick",
            "apt-get install php-imagick",
        ],
    ),
    (
        "no page to begin with",
        &[("composer.json", "{}"), ("vendor/autoload.php", "<?php")],
        &["found no index.php to begin with"],
    ),
    // Rust
    (
        "a slip in Rust",
        &[
            (
                "Cargo.toml",
                "[package]\nname='x'\nversion='1.0.0'\nedition='2021'\n",
            ),
            ("src/main.rs", "fn main() { let x: = 1; }\n"),
        ],
        &["the compiler stopped at src/main.rs:1:"],
    ),
    (
        "a library",
        &[
            (
                "Cargo.toml",
                "[package]\nname='x'\nversion='1.0.0'\nedition='2021'\n",
            ),
            ("src/lib.rs", ""),
        ],
        &["the crate is a library and has no program"],
    ),
    (
        "another Rust",
        &[
            (
                "Cargo.toml",
                "[package]\nname='x'\nversion='1.0.0'\nrust-version='9.9'\n",
            ),
            ("src/main.rs", "fn main() {}"),
        ],
        &["Cargo.toml wants Rust 9.9 or later, and this host has"],
    ),
    // nginx
    (
        "a port of its own",
        &[("nginx.conf", "events {}\nhttp { server { listen 80; } }\n")],
        &[
            "nginx.conf listens on a port of its own",
            "`listen {{port}};`",
        ],
    ),
    (
        "a word that nginx does not know",
        &[(
            "nginx.conf",
            "events {}\nhttp {\n server { listen {{port}}; rooot x; } }\n",
        )],
        &["nginx does not know rooot (nginx.conf:3)"],
    ),
    (
        "a file that is not there",
        &[(
            "nginx.conf",
            "events {}\nhttp { include missing.conf; server { listen {{port}}; } }\n",
        )],
        &["missing.conf is named in nginx.conf:2 and is not there"],
    ),
    // Static files
    (
        "a folder that is not there",
        &[("Staticfile", "root: dist"), ("index.html", "")],
        &["the root \"dist\" is not a folder of the app"],
    ),
    (
        "an option that there is not",
        &[("Staticfile", "push_state: enabled"), ("index.html", "")],
        &["Staticfile: there is no option push_state: write pushstate"],
    ),
    (
        "a piece of nginx's configuration",
        &[
            ("Staticfile", "location_include: includes/*.conf"),
            ("index.html", ""),
        ],
        &[
            "Staticfile: location_include",
            "_headers",
            "-b nginx_buildpack",
        ],
    ),
    (
        "a configuration of nginx's",
        &[
            ("Staticfile", ""),
            ("nginx/conf/nginx.conf", ""),
            ("index.html", ""),
        ],
        &[
            "nginx/conf/nginx.conf: no nginx serves this site",
            "-b nginx_buildpack",
        ],
    ),
    (
        "a password that is not encrypted",
        &[
            ("Staticfile", ""),
            ("Staticfile.auth", "hong:geheim\n"),
            ("index.html", ""),
        ],
        &[
            "Staticfile.auth, line 1: the password is not encrypted",
            "htpasswd -B",
        ],
    ),
    (
        "a redirect to nowhere",
        &[("_redirects", "/old /new\n/older\n"), ("index.html", "")],
        &["_redirects, line 2: it lacks where to"],
    ),
    (
        "a header without a path",
        &[("_headers", "X-Frame-Options: DENY\n"), ("index.html", "")],
        &["_headers, line 1: X-Frame-Options: DENY is no path"],
    ),
    // WebAssembly
    (
        "a module that is no component",
        &[("a.wasm", "\0asm\x01\0\0\0")],
        &["a.wasm is a core module, not a component"],
    ),
    (
        "a file that is no WebAssembly",
        &[("a.wasm", "<html>not found</html>")],
        &["a.wasm is not WebAssembly"],
    ),
    (
        "a component that is not there",
        &[("a.wasm", ""), ("wasm.toml", "component = \"b.wasm\"\n")],
        &["b.wasm is named as the component and is not there: push it along"],
    ),
    (
        "several components",
        &[("a.wasm", ""), ("b.wasm", "")],
        &["which component is the app?", "`component = \"FILE.wasm\"`"],
    ),
    // Anything
    (
        "a Procfile that is none",
        &[("Procfile", "just words")],
        &["the Procfile is not a list of `type: command` lines"],
    ),
];

#[tokio::test]
async fn slips_are_told_with_their_mend() {
    let mut wrong = Vec::new();
    for (what, files, expected) in SLIPS {
        let mut place = Place::new();
        if *what == "a Tomcat that there is not" {
            let version = ("TOMCAT_VERSION".to_owned(), "4".to_owned());
            place.app.env.extend([version]);
        }
        let told = place.failure(files).await;
        let first = told.lines().next().unwrap_or_default().to_owned();
        if !expected.iter().all(|part| first.contains(part)) {
            wrong.push(format!("{what}: {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
