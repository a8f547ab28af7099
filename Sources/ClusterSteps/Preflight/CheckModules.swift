package import ClusterModel
package import RemoteShell
package import RunEngine

/// `preflight.modules`: the kernel features that container networking needs are there, now and after the next boot.
///
/// A feature counts as there when its module is loaded, or built in, or the kernel shows the feature itself: a kernel without
/// modules is as good as any. Source: kubernetes.io "Container runtimes", prerequisites.
package struct CheckModules: PreflightCheck {
    package static let check = CheckName.modules
    package static let signature: KindSignature = described("overlay and br_netfilter, now and after the next boot")
    package let fix: Bool?

    package func facts(on target: StepTarget) -> [FactRequest] { [FactRequest(KernelModules(), on: target.name)] }

    package func assess(_ facts: any FactReader, on host: Host) async throws -> Assessment {
        let kernel = try await facts.read(KernelModules(), on: host.name)
        let absent = KernelModules.wanted.filter { !kernel.present.contains($0) }
        let unknown = absent.filter { !kernel.loadable.contains($0) }
        guard unknown.isEmpty else {
            return .fail(
                "kernel \(kernel.release) has no \(unknown.joined(separator: ", "))",
                remedy: "install the modules of the running kernel, or boot one that has them"
            )
        }
        let forgotten = KernelModules.wanted.filter { !kernel.builtIn.contains($0) && !kernel.atBoot.contains($0) }
        guard !absent.isEmpty || !forgotten.isEmpty else {
            return .ok("\(KernelModules.wanted.joined(separator: ", ")) are there, and will be after the next boot")
        }
        var changes: [PlannedChange] = []
        if !absent.isEmpty {
            changes.append(
                PlannedChange("load \(absent.joined(separator: ", "))", commands: absent.map { "modprobe \($0)" })
            )
        }
        if !forgotten.isEmpty {
            changes.append(
                PlannedChange(
                    "have \(forgotten.joined(separator: ", ")) loaded at boot",
                    diff: forgotten.map { "+ \($0)" },
                    commands: ["write \(Self.file)"]
                )
            )
        }
        let finding =
            absent.isEmpty
            ? "\(forgotten.joined(separator: ", ")) would be missing after the next boot"
            : "\(absent.joined(separator: ", ")) \(absent.count == 1 ? "is" : "are") not loaded"
        return .fixable(
            finding,
            changes,
            RemoteCommand(Self.script, [absent.joined(separator: " "), forgotten.joined(separator: " ")])
        )
    }

    private static let file = "/etc/modules-load.d/90-rollbook.conf"

    /// `$1` modules to load, `$2` modules for the next boots, both separated by spaces.
    private static let script: StaticString = """
        file=/etc/modules-load.d/90-rollbook.conf
        for module in $1; do modprobe "$module" || exit 1; done
        [ -n "$2" ] || exit 0
        mkdir -p /etc/modules-load.d || exit 1
        { cat "$file" 2>/dev/null || echo "# Kubernetes needs these; written by rollbook"; for module in $2; do echo "$module"; done; } \\
            >"$file.new" || exit 1
        chmod 0644 "$file.new" && sync "$file.new" && mv "$file.new" "$file"
        """
}

/// Which of the wanted kernel features a host has.
package struct KernelModules: Fact {
    package static let name = "host.kernel-modules"
    static let wanted = ["overlay", "br_netfilter"]

    package init() {}

    package struct Value: Codable, Sendable, Hashable {
        package let release: String
        /// Loaded, built in, or shown by the kernel in another way.
        package let present: [String]
        /// There without anything that could be forgotten at boot.
        package let builtIn: [String]
        /// A file for them exists.
        package let loadable: [String]
        /// Named in a file of modules-load.d that counts.
        package let atBoot: [String]
    }

    package var command: RemoteCommand {
        RemoteCommand(
            """
            echo '[release]'; uname -r
            echo '[loaded]'; [ -r /proc/modules ] && cut -d' ' -f1 /proc/modules
            echo '[features]'
            grep -qw overlay /proc/filesystems && echo overlay
            [ -d /proc/sys/net/bridge ] && echo br_netfilter
            echo '[builtin]'; sed -n 's#.*/\\([^/]*\\)\\.ko.*#\\1#p' "/lib/modules/$(uname -r)/modules.builtin" 2>/dev/null
            echo '[loadable]'
            for m in overlay br_netfilter; do modinfo -n "$m" >/dev/null 2>&1 && echo "$m"; done
            echo '[boot]'
            for f in $(ls /etc/modules-load.d /run/modules-load.d /usr/local/lib/modules-load.d /usr/lib/modules-load.d 2>/dev/null |
                grep '\\.conf$' | sort -u); do
                for d in /etc /run /usr/local/lib /usr/lib; do
                    [ -e "$d/modules-load.d/$f" ] && { grep -v '^[[:space:]]*[#;]' "$d/modules-load.d/$f"; break; }
                done
            done
            [ -r /etc/modules ] && grep -v "^[[:space:]]*#" /etc/modules
            echo '[end]'
            """,
            as: .root
        )
    }

    package func parse(_ answer: ProbeBatch.Answer) throws -> Value {
        let output = SectionedOutput(answer)
        _ = try output.lines("end")
        func words(_ section: String) throws -> Set<String> {
            Set(try output.rows(section).compactMap(\.first).map { $0.replacing("-", with: "_") })
        }
        let (loaded, features, builtIn) = (try words("loaded"), try words("features"), try words("builtin"))
        // A feature without a loaded module of that name is part of the kernel itself.
        let inherent = builtIn.union(features.subtracting(loaded))
        let (loadable, boot) = (try words("loadable"), try words("boot"))
        return Value(
            release: try output.line("release"),
            present: Self.wanted.filter { loaded.contains($0) || inherent.contains($0) },
            builtIn: Self.wanted.filter(inherent.contains),
            loadable: Self.wanted.filter { loadable.contains($0) || inherent.contains($0) },
            atBoot: Self.wanted.filter(boot.contains)
        )
    }
}
