import Testing

/// A host broken for one check, what the check has to say about it, and how the host is put back.
struct PreflightFailure: Sendable, CustomTestStringConvertible {
    /// In words, for the report of the tests.
    let name: String
    /// Without `preflight.`.
    let check: String
    /// Hosts to look at, and to break.
    let on: [String]
    let broken: [String]
    /// Runs on every host to break, after the functions of `prelude`.
    let script: String
    /// Runs before what `prelude` noted is put back.
    let undo: String
    /// What the plan says, blanks and line ends taken together.
    let found: [String]
    /// Of `plan --check`: 3 for what has to be done or is blocked, 0 for a warning.
    let code: Int32
    /// More arguments of the plan, with which the mended host is not looked at again.
    let more: [String]
    /// A fault of the lab, in place of a script.
    let fault: String?

    init(
        _ name: String,
        _ check: String,
        on: [String] = ["worker1"],
        broken: [String]? = nil,
        _ script: String = "",
        undo: String = ":",
        fault: String? = nil,
        finds found: [String],
        code: Int32 = 3,
        more: [String] = []
    ) {
        self.name = name
        self.check = check
        self.on = on
        self.broken = broken ?? on
        self.script = script
        self.undo = undo
        self.found = found
        self.code = code
        self.more = more
        self.fault = fault
    }

    var testDescription: String { "\(check): \(name)" }

    /// Functions that change a host so that it can be put back.
    static let prelude = #"""
        # Below /var/tmp, because it must outlive a restart.
        noted=/var/tmp/rollbook-broken; mkdir -p $noted
        keep() { mkdir -p $noted/kept; (cd / && cp -a --parents "$@" $noted/kept); }
        made() { printf '%s\n' "$@" >>$noted/made; }
        fake() { made "/usr/local/bin/$1"; { echo '#!/bin/sh'; cat; } >"/usr/local/bin/$1"; chmod +x "/usr/local/bin/$1"; }
        # POLICY RULE…, for what comes in
        filter() {
            policy=$1; shift
            nft "add table inet broken; add chain inet broken in { type filter hook input priority 0; policy $policy; }"
            for rule; do nft "add rule inet broken in $rule"; done
        }
        # NAME COMMAND: installs a package whose own script is the command
        package() {
            d=$(mktemp -d); mkdir "$d/DEBIAN"; chmod 755 "$d" "$d/DEBIAN"
            printf 'Package: %s\nVersion: 1.31.14-1.1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: empty\n' \
                "$1" >"$d/DEBIAN/control"
            printf '#!/bin/sh\n%s\n' "$2" >"$d/DEBIAN/postinst"; chmod 755 "$d/DEBIAN/postinst"
            made "/run/$1.deb"; dpkg-deb -b "$d" "/run/$1.deb" >/dev/null; rm -rf "$d"
        }
        until_so() { for i in $(seq 150); do if eval "$1"; then return 0; fi; sleep 0.1; done; echo "never: $1" >&2; return 1; }

        """#

    /// Puts back what those functions noted.
    static let restore = #"""
        set +e
        nft delete table inet broken 2>/dev/null
        [ ! -d $noted/kept ] || cp -a $noted/kept/. /
        [ ! -f $noted/made ] || while read -r path; do rm -rf "$path"; done <$noted/made
        rm -rf $noted

        """#

    func doBreak() async throws {
        if let fault { try await Lab.here.run(["fault"] + fault.split(separator: " ").map(String.init)) }
        for host in broken where fault == nil { try await Lab.here.shell(host, Self.prelude + script) }
    }

    func mend() async throws {
        if let fault {
            let words = fault.split(separator: " ").map(String.init)
            try await Lab.here.run("fault", words[0], "heal", words[2])
        }
        for host in broken where fault == nil {
            try await Lab.here.shell(host, Self.prelude + Self.restore + undo)
        }
    }
}
