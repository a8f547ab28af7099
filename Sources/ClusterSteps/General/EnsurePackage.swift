package import ClusterModel
package import Journal
import RemoteShell
package import RunEngine

/// `package.ensure`: a package of apt, dnf or zypper, there or not, held or not.
///
/// Without `version` any installed version will do, and nothing is upgraded. A package that was held is held again afterwards,
/// whatever came of the change.
package struct EnsurePackage: Step {
    package enum Presence: String, Codable, Sendable, CaseIterable { case present, absent }

    package static let signature = KindSignature(
        kind: "package.ensure",
        summary: "A package is installed or not",
        parameters: [
            Parameter("name", .string, required: true, "the package"),
            Parameter(
                "version",
                .string,
                "its version as the package manager writes it, or the beginning of it up to a '-'"
            ),
            Parameter("state", .choice(["present", "absent"]), "by default present"),
            Parameter("hold", .boolean, "whether it is held back from upgrades; left as it is by default"),
            Parameter("takesHostAway", .boolean, "true when the host serves less meanwhile"),
        ]
    )
    package static let stepClass = StepClass.guarded
    package static let reversal = Reversal.undoable

    package let name: String
    package let version: String?
    package let state: Presence?
    package let hold: Bool?
    package let takesHostAway: Bool?

    package struct Output: Codable, Sendable {
        /// Empty when it was not installed.
        package let versionBefore: String
        package let wasHeld: Bool
    }

    package var traits: StepTraits { StepTraits(Self.stepClass, Self.reversal, takesHostAway: takesHostAway ?? false) }
    /// Its files, its units, and what it depends on.
    package var subjects: [StepSubject] { [.thing("package \(name)"), .anything] }

    package static func completed(
        _ parameters: [String: JSONValue],
        at location: SourceLocation,
        _ views: StepServices
    ) throws -> [String: JSONValue] {
        for key in ["name", "version"] {
            guard let text = parameters[key]?.stringValue else { continue }
            let isPlain = text.utf8.allSatisfy {
                (0x30...0x3A).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                    || "+-_.~^".utf8.contains($0)
            }
            guard isPlain, !text.isEmpty, !text.hasPrefix("-"), !text.hasPrefix("+") else {
                throw refusal(location, signature.kind, "'\(text)' is no \(key) of a package")
            }
        }
        guard parameters["state"] != .string("absent") || (parameters["version"] == nil && parameters["hold"] == nil)
        else { throw refusal(location, signature.kind, "with state absent there is neither version nor hold") }
        return parameters
    }

    package func facts(on target: StepTarget) -> [FactRequest] {
        target.host == nil ? [] : [FactRequest(InstalledPackage(name), on: target.name)]
    }

    private func isThere(_ found: InstalledPackage.Value) -> Bool {
        guard state != .absent else { return found.version == nil }
        guard let installed = found.version, hold == nil || hold == found.isHeld else { return false }
        return version.map { installed == $0 || installed.hasPrefix($0 + "-") } ?? true
    }

    private func spoken(_ found: InstalledPackage.Value) -> String {
        guard let version = found.version else { return "\(name) is not installed" }
        return "\(name) is \(version)\(found.isHeld ? ", held" : "")"
    }

    package func decide(_ facts: any FactReader, on target: StepTarget) async throws -> Decision {
        guard target.host != nil else { return .blocked(OperatorMessage(.invalidInput, "it is for hosts only")) }
        let found = try await facts.read(InstalledPackage(name), on: target.name)
        if isThere(found) { return .noop(spoken(found)) }
        var commands: [String] = []
        if state == .absent {
            commands.append("\(found.manager) remove \(name)")
        } else if !isThere(InstalledPackage.Value(manager: "", version: found.version, isHeld: hold ?? false)) {
            commands.append("\(found.manager) install \(name)\(version.map { "=" + $0 } ?? "")")
        }
        let isChanged = !commands.isEmpty
        if let hold, hold != found.isHeld { commands.append("\(hold ? "hold" : "take the hold off") \(name)") }
        let also = isChanged && found.isHeld && hold == nil ? "; its hold is taken off meanwhile" : ""
        return .change([
            PlannedChange("\(spoken(found)): \(commands.joined(separator: ", "))\(also)", commands: commands)
        ])
    }

    package func perform(_ context: StepContext) async throws -> Output {
        let wish = [name, version ?? "", (state ?? .present).rawValue, hold.map { $0 ? "hold" : "free" } ?? ""]
        let said = try await tell(wish, "main", context)
        let words = said.split(separator: "\n").first { $0.hasPrefix("was ") }?.split(separator: " ") ?? []
        return Output(
            versionBefore: words.count > 2 ? String(words[2]) : "",
            wasHeld: words.dropFirst().first == "held"
        )
    }

    private func tell(_ wish: [String], _ part: String, _ context: StepContext) async throws -> String {
        let command = RemoteCommand([Self.functions, Self.script], wish)
        let outcome = try await context.guarded(command, part: part, deadline: .seconds(1200))
        guard outcome.exitCode == 0 else {
            let said = outcome.errorText.split(separator: "\n").last ?? outcome.text.split(separator: "\n").last
            throw OperatorMessage(.stepFailed, said.map(String.init) ?? "it ended with \(outcome.exitCode)")
        }
        return outcome.text
    }

    /// Defines `pm`, `installed` and `is_held`.
    static let functions: StaticString = """
        pm=; for p in apt-get dnf zypper; do if command -v "$p" >/dev/null 2>&1; then pm=$p; break; fi; done
        [ -n "$pm" ] || { echo 'none of apt-get, dnf and zypper is there' >&2; exit 1; }
        installed() {
            case $pm in
            apt-get) dpkg-query -W -f '${db:Status-Status} ${Version}\\n' -- "$1" 2>/dev/null | sed -n 's/^installed //p' ;;
            *) rpm -q --qf '%{VERSION}-%{RELEASE}\\n' -- "$1" 2>/dev/null | grep '^[0-9]' ;;
            esac
        }
        is_held() {
            case $pm in
            apt-get) dpkg-query -W -f '${db:Status-Want}\\n' -- "$1" 2>/dev/null | grep -qx hold ;;
            dnf) { grep -hv '^ *[#!]' /etc/dnf/plugins/versionlock.list
                sed -n 's/^name *= *"\\(.*\\)"/\\1/p' /etc/dnf/versionlock.toml; } 2>/dev/null | sed 's/^[0-9]*://' \\
                | grep -Eq "^$1(-[0-9].*)?\\$" ;;
            zypper) sed -n 's/^solvable_name:[[:space:]]*//p' /etc/zypp/locks 2>/dev/null | grep -qx "$1" ;;
            esac
        }

        """

    /// `$1` package, `$2` version or nothing, `$3` `present` or `absent`, `$4` `hold`, `free` or nothing; tells what was.
    ///
    /// What was held is noted on disk before the hold is taken off, in the file that all package steps share, and held again when the
    /// script ends; one that was killed leaves the note for the next.
    static let script: StaticString = """
        name=$1; version=$2; store=/var/lib/rollbook-host/packages
        export DEBIAN_FRONTEND=noninteractive ZYPP_LOCK_TIMEOUT=300
        fail() { printf '%s\\n' "$1" >&2; exit 1; }
        hold() {
            case $pm in apt-get) apt-mark hold "$1" ;; dnf) dnf -q -y versionlock add "$1" ;; zypper) zypper -n addlock "$1" ;; esac >/dev/null
        }
        free() {
            case $pm in apt-get) apt-mark unhold "$1" ;; dnf) dnf -q -y versionlock delete "$1" ;; zypper) zypper -n removelock "$1" ;; esac >/dev/null
        }
        is_noted() { grep -qxF -- "$name" "$store/held" 2>/dev/null; }
        forget() {
            is_noted || return 0
            grep -vxF -- "$name" "$store/held" >"$store/held.new"; [ -s "$store/held.new" ] || rm -f "$store/held" "$store/held.new"
            [ ! -e "$store/held.new" ] || mv -fT "$store/held.new" "$store/held"
        }
        restore() { is_noted || return 0; [ -z "$(installed "$name")" ] || is_held "$name" || hold "$name" || return 1; forget; }
        is_at() {
            now=$(installed "$name"); [ -n "$now" ] || return 1
            case $now in "$version" | "$version"-*) return 0 ;; esac; [ -z "$version" ]
        }
        was=free; if is_held "$name" || is_noted; then was=held; fi
        echo "was $was $(installed "$name")"; trap restore EXIT
        need=no
        case $3 in present) is_at || need=install ;; absent) [ -z "$(installed "$name")" ] || need=remove ;; esac
        if [ "$need" != no ]; then
            if is_held "$name"; then
                (umask 077; mkdir -p "$store") || exit 1
                is_noted || { printf '%s\\n' "$name" >>"$store/held" && sync "$store/held" "$store"; } || exit 1
                free "$name" || fail "cannot take the hold off $name"
            fi
            item=$name
            if [ -n "$version" ] && [ "$need" = install ]; then
                case $pm in
                apt-get) exact=$(apt-cache madison -- "$name" | awk -F'|' -v v="$version" '{ gsub(/[ \\t]/, "", $2) }
                        $2 == v || index($2, v "-") == 1 { print $2; exit }')
                    [ -n "$exact" ] || fail "$name $version is not on offer"; item=$name=$exact ;;
                dnf) item=$name-$version; case $version in *-*) ;; *) item="$item-*" ;; esac ;;
                zypper) item="$name=$version" ;;
                esac
            fi
            case $pm.$need in
            apt-get.install) apt-get -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold -o APT::Install-Recommends=0 \\
                -y -q --no-remove --allow-downgrades install "$item" ;;
            apt-get.remove)
                others=$(LC_ALL=C apt-get -s remove "$name" | sed -n 's/^Remv \\([^ ]*\\).*/\\1/p' | grep -vxF -- "$name")
                [ -z "$others" ] || fail "$(echo $others) would be removed with $name"
                apt-get -o DPkg::Lock::Timeout=300 -y -q remove "$item" ;;
            dnf.install) dnf -y install "$item" ;;
            zypper.install) zypper -n install --no-recommends --oldpackage "$item" ;;
            *.remove) rpm -e -- "$name" ;;
            esac || fail "$pm ended with $?"
            case $need in
            install) is_at || fail "$pm ended with 0, but $name is $(installed "$name")" ;;
            remove) [ -z "$(installed "$name")" ] || fail "$pm ended with 0, but $name is still there" ;;
            esac
        fi
        case $4 in
        hold) forget; is_held "$name" || hold "$name" || fail "cannot hold $name" ;;
        free) forget; ! is_held "$name" || free "$name" || fail "cannot take the hold off $name" ;;
        esac
        trap - EXIT; restore || fail "cannot hold $name again"
        """

    package func probe(_ context: StepContext) async throws -> Probe {
        let found = try await context.lookAgain().read(InstalledPackage(name), on: context.target.name)
        guard isThere(found) else { return .notDone(detail: spoken(found)) }
        // What was before is not known, so nothing is taken back.
        let output = Output(versionBefore: found.version ?? "", wasHeld: found.isHeld)
        return .done(output: try JSONValue(encoding: output), detail: spoken(found))
    }

    package func undo(_ output: Output, _ context: StepContext) async throws {
        let found = try await context.lookAgain().read(InstalledPackage(name), on: context.target.name)
        guard found.version ?? "" != output.versionBefore || found.isHeld != output.wasHeld else { return }
        let isThere = !output.versionBefore.isEmpty
        _ = try await tell(
            [
                name, output.versionBefore, isThere ? "present" : "absent",
                isThere ? output.wasHeld ? "hold" : "free" : "",
            ],
            "undo",
            context
        )
    }
}
