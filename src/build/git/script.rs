//! What git is told to do, as shell: everything that a client has a say in comes in variables.

/// Codes with which the scripts end where something is refused.
pub(super) const BAD_PACK: i32 = 41;
pub(super) const NO_COMMIT: i32 = 42;
pub(super) const SUBMODULES: i32 = 43;
pub(super) const NO_PATH: i32 = 44;
pub(super) const EMPTY: i32 = 45;
pub(super) const HISTORY: i32 = 46;
pub(super) const NOT_FETCHED: i32 = 47;

/// Where the kept objects are seen; [`CHECK`] says so, too.
pub(super) const KEPT: &str = "/.pastina/objects";

/// What the client's own push leaves out as well, `.cfignore` aside.
const LEFT_OUT: &str = ".cfignore\n/manifest.yml\n/manifest.yaml\n.DS_Store\n.gitignore\n.hg\n\
                        .svn\n_darcs\n";

/// Packs the files of `$spec`, less what is left out, into `out/app.zip`.
const PACK: &str = r#"
pack() {
  spec=$COMMIT:$FOLDER
  kind=$(git cat-file -t "$spec" 2>/dev/null) || exit 44
  export GIT_INDEX_FILE=/home/vcap/index GIT_WORK_TREE=/home/vcap/nothing
  rm -f "$GIT_INDEX_FILE" /home/vcap/out/app.zip
  mkdir -p "$GIT_WORK_TREE"
  case $kind in
    tree)
      git read-tree "$(git rev-parse "$spec")" || exit 41
      ignores=/home/vcap/ignores
      printf '%s' "$LEFT_OUT" > "$ignores"
      git cat-file blob "${spec%/}${FOLDER:+/}.cfignore" >> "$ignores" 2>/dev/null
      git ls-files -z --cached --ignored --exclude-from="$ignores" > /home/vcap/ignored || exit 41
      git update-index -z --force-remove --stdin < /home/vcap/ignored || exit 41
      tree=$(git write-tree) || exit 41
      if [ -z "$(git ls-tree "$tree")" ]; then exit 45; fi
      git archive --format=zip -1 -o /home/vcap/out/app.zip "$tree" || exit 41
      ;;
    blob)
      # An archive that was built elsewhere is the app as it is; any other file is all of it.
      if [ "$(git cat-file blob "$spec" | head -c 4 | od -An -tx1 | tr -d ' ')" = 504b0304 ]; then
        git cat-file blob "$spec" > /home/vcap/out/app.zip || exit 41
      else
        git ls-tree "$COMMIT" "$FOLDER" | {
          read -r mode kind rest
          tree=$(printf '%s %s %s\t%s\n' "$mode" "$kind" "${rest%%	*}" "${FOLDER##*/}" | git mktree) || exit 41
          git archive --format=zip -1 -o /home/vcap/out/app.zip "$tree" || exit 41
        } || exit 41
      fi
      ;;
    *) exit 44 ;;
  esac
}
"#;

/// Reads the new pack, and looks at the commit with all that it stands on.
const CHECK: &str = r#"
cd /home/vcap
mkdir -p out
git init -q --bare --template= repo || exit 1
export GIT_DIR=/home/vcap/repo
echo /.pastina/objects > repo/objects/info/alternates
if [ -s push.pack ]; then
  # What is tolerated are slips of old tools that harm nobody, which other hosts tolerate, too.
  git index-pack --stdin --fix-thin --max-input-size="$LIMIT" \
    --strict=badTimezone=ignore,missingSpaceBeforeDate=ignore,zeroPaddedFilemode=ignore \
    < push.pack > /dev/null || exit 41
fi
rm -f push.pack
if [ "$(git cat-file -t "$COMMIT" 2>/dev/null)" != commit ]; then exit 42; fi
git rev-list --objects --quiet "$COMMIT" ${BEFORE:+--not "$BEFORE"} || exit 46
submodules=$(git ls-tree -r "$COMMIT" | sed -n 's/^160000 commit [0-9a-f]*	//p' | head -n 5)
if [ -n "$submodules" ]; then
  printf '%s\n' "$submodules"
  exit 43
fi
for name in manifest.yml manifest.yaml; do
  case $(git ls-tree "$COMMIT" "$name") in
    100*)
      git cat-file blob "$COMMIT:$name" | head -c 1048577 > out/manifest
      break ;;
  esac
done
pack
unset GIT_INDEX_FILE GIT_WORK_TREE
if [ -n "$TOGETHER" ]; then
  git update-ref refs/heads/pushed "$COMMIT" && git repack -adq && touch out/alone
fi
exit 0
"#;

/// Packs another folder of the same commit.
const PICK: &str = r#"
cd /home/vcap
export GIT_DIR=/home/vcap/repo
pack
"#;

/// Fetches `$BRANCH` of `$URL`, its newest commit alone. Only who was named is asked for, and
/// never by another host than the one that was named.
const FETCH: &str = r#"
cd /home/vcap
mkdir -p out
git init -q --bare --template= repo || exit 1
export GIT_DIR=/home/vcap/repo GIT_ALLOW_PROTOCOL=https:http GIT_ASKPASS=/bin/false
redirects=initial
if [ -n "$GIT_USER" ]; then
  redirects=false
  export GIT_ASKPASS=/home/vcap/ask
  cat > "$GIT_ASKPASS" << 'END'
#!/bin/sh
case $1 in User*) printf '%s\n' "$GIT_USER" ;; *) printf '%s\n' "$GIT_PASSWORD" ;; esac
END
  chmod 700 "$GIT_ASKPASS"
fi
git check-ref-format "refs/heads/$BRANCH" || exit 47
git -c http.followRedirects=$redirects -c http.lowSpeedLimit=1000 -c http.lowSpeedTime=60 \
  -c fetch.fsckObjects=true -c fetch.unpackLimit=1 -c fetch.fsck.badTimezone=ignore \
  -c fetch.fsck.missingSpaceBeforeDate=ignore -c fetch.fsck.zeroPaddedFilemode=ignore \
  fetch -q --depth=1 --no-tags --no-recurse-submodules -- "$URL" \
  "+refs/heads/$BRANCH:refs/heads/fetched" || exit 47
git rev-parse refs/heads/fetched > out/commit
rm -f ask
"#;

/// The script of the run before the first, where the commit is elsewhere.
pub(super) fn fetch() -> String {
    format!("set -u\n{FETCH}")
}

/// The script of the first run.
pub(super) fn check() -> String {
    format!("set -u\n{PACK}\n{CHECK}")
}

/// The script of another run after it.
pub(super) fn pick() -> String {
    format!("set -u\n{PACK}\n{PICK}")
}

/// The environment of all; no configuration of the host or of anybody else is read.
pub(super) fn environment(own: &[(&str, &str)]) -> Vec<(String, String)> {
    // Memory for what is read at once is bounded, whatever a pack says of its objects.
    let settings = [
        ("core.hooksPath", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("core.bigFileThreshold", "16m"),
        ("core.deltaBaseCacheLimit", "32m"),
        ("core.packedGitWindowSize", "16m"),
        ("core.packedGitLimit", "128m"),
        ("core.quotePath", "false"),
        ("gc.auto", "0"),
        ("pack.threads", "1"),
        ("pack.windowMemory", "64m"),
        ("pack.deltaCacheSize", "32m"),
    ];
    let fixed = [
        ("PATH", crate::build::PATH),
        ("HOME", "/home/vcap"),
        ("TMPDIR", "/home/vcap/tmp"),
        ("LANG", "C.UTF-8"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("LEFT_OUT", LEFT_OUT),
    ];
    let all = fixed.iter().chain(own);
    let mut env: Vec<(String, String)> = all
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    env.push(("GIT_CONFIG_COUNT".to_owned(), settings.len().to_string()));
    for (number, (key, value)) in settings.iter().enumerate() {
        env.push((format!("GIT_CONFIG_KEY_{number}"), (*key).to_owned()));
        env.push((format!("GIT_CONFIG_VALUE_{number}"), (*value).to_owned()));
    }
    env
}
