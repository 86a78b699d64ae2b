# Java, Maven and what Maven fetches. Read by the scripts beside it, which define `fail`.

readonly java_version_min=17

java_command() {
  if [ -n "${JAVA_HOME:-}" ] && [ -x "$JAVA_HOME/bin/java" ]; then echo "$JAVA_HOME/bin/java"; else command -v java; fi
}

java_is_new_enough() {
  local java version
  java=$(java_command) || return 1
  version=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  [ "${version:-0}" -ge "$java_version_min" ]
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi; }
may_install() { [ "$(id -u)" -eq 0 ] || { command -v sudo && sudo -n true; } >/dev/null 2>&1; }

# Installs what is named `java` or `maven` here, through whichever package manager the system has.
install_package() {
  may_install || return 1
  if command -v apt-get >/dev/null; then
    as_root apt-get update -qq || return 1
    case $1 in
      java) apt_install openjdk-17-jre-headless || apt_install default-jre-headless ;;
      maven) apt_install maven ;;
    esac
  elif command -v dnf >/dev/null; then
    case $1 in
      java) as_root dnf install -q -y java-17-openjdk-headless || as_root dnf install -q -y java-21-openjdk-headless ;;
      maven) as_root dnf install -q -y maven ;;
    esac
  elif command -v apk >/dev/null; then
    case $1 in java) as_root apk add -q openjdk17-jre-headless ;; maven) as_root apk add -q maven ;; esac
  else
    return 1
  fi
}

apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1"; }

need_java() {
  java_is_new_enough && return
  install_package java >&2 || true
  java_is_new_enough || fail "Java $java_version_min or newer is missing: install openjdk-17-jre-headless (or set JAVA_HOME)"
}

need_maven() {
  command -v mvn >/dev/null && return
  install_package maven >&2 || true
  command -v mvn >/dev/null || fail "Maven is missing: install the package maven (its mvn fetches the servers)"
}

# Is what the POM $1 lists in the folder $2?
is_fetched() { [ "$(cat "$2/.pom" 2>/dev/null)" = "$(cksum <"$1")" ]; }

# Fetches it into a folder of its own and moves it into place, so that a broken or concurrent run leaves none half
# full. $3, where given, is called with the fresh folder before that.
fetch() {
  local pom=$1 folder=$2 finish=${3:-:} fresh="$2.$$"
  need_java
  is_fetched "$pom" "$folder" && return
  need_maven
  trap 'rm -rf "$fresh"' EXIT
  mvn -q -B -Dstyle.color=never -Djansi.mode=strip -f "$pom" dependency:copy-dependencies -DoutputDirectory="$fresh" >&2 ||
    fail "Maven could not fetch what $pom lists (see above): check that this machine reaches a Maven repository"
  "$finish" "$fresh"
  cksum <"$pom" >"$fresh/.pom"
  rm -rf "$folder"
  mv -T "$fresh" "$folder" 2>/dev/null || is_fetched "$pom" "$folder" || fail "could not move $fresh to $folder"
  rm -rf "$fresh"
  trap - EXIT
}
