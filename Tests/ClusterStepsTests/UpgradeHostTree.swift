import ClusterModel
import Foundation
import RemoteShell
import RunEngine
import TestSupport

@testable import ClusterSteps

/// A node as a folder, whose apt, kubeadm, systemd, container runtime and API are shell scripts over files of that folder.
///
/// Its PATH holds nothing else but plain tools, so that this machine's own package manager is never met.
struct UpgradeHostTree {
    struct Failed: Error { let text: String }

    static let run = "20261121T101500Z-9f3a12c4"
    private static let tools = [
        "awk", "basename", "cat", "chmod", "cmp", "cp", "cut", "date", "df", "dirname", "du", "echo", "env", "false",
        "find",
        "grep", "head", "id", "ls", "mkdir", "mktemp", "mv", "printf", "readlink", "rm", "rmdir", "sed", "setsid", "sh",
        "sha256sum", "sort", "stat", "sync", "tail", "tee", "test", "timeout", "touch", "tr", "true", "uniq", "wc",
        "xargs",
    ]

    let tree: HostTree
    let isMaster: Bool
    var root: String { tree.root }

    init(master: Bool = true) throws {
        guard let name = HostName(master ? "master1" : "worker1") else { throw Failed(text: "no name") }
        tree = try HostTree(name)
        isMaster = master
        for tool in Self.tools {
            try FileManager.default.createSymbolicLink(
                atPath: root + "/bin/" + tool,
                withDestinationPath: "/usr/bin/" + tool
            )
        }
        for name in ["kubeadm", "kubelet", "kubectl"] { try tree.write("/state/packages/\(name)", "1.31.14-1.1") }
        for name in ["kubeadm", "kubelet"] { try tree.write("/state/holds/\(name)", "") }
        try tree.write("/state/offers/v1.31", "1.31.14-1.1\n1.31.13-1.1\n")
        try tree.write("/state/offers/v1.32", "1.32.13-1.1\n1.32.12-1.1\n")
        try tree.write("/state/configmap", "v1.31.14")
        try tree.write(
            "/etc/apt/sources.list.d/k8s-mirror.list",
            "deb [signed-by=@/keys/k.asc] https://mirror.example/kubernetes/v1.31/deb/ /\n"
        )
        try tree.write("/keys/k.asc", "old key\n")
        try tree.write("/etc/kubernetes/tmp/.keep", "")
        if master {
            for pod in KubeadmState.components {
                let image = pod == "etcd" ? "etcd:3.5.24-0" : "\(pod):v1.31.14"
                try tree.write(
                    "/etc/kubernetes/manifests/\(pod).yaml",
                    "spec:\n  containers:\n  - command:\n    image: registry.k8s.io/\(image)\n",
                    mode: 0o600
                )
            }
            try tree.write("/var/lib/etcd/member/snap/db", "data")
        }
        try makePrograms()
        try startKubelet("1.31.14")
        try tree.write("/var/lib/kubelet/config.yaml", "healthzPort: 10248\n")
        let hourAgo = Date(timeIntervalSinceNow: -3600)
        try FileManager.default.setAttributes(
            [.modificationDate: hourAgo],
            ofItemAtPath: root + "/var/lib/kubelet/config.yaml"
        )
    }

    func remove() { tree.remove() }

    private func startKubelet(_ version: String) throws {
        try tree.write("/state/kubelet-\(version)", "#!/bin/sh\necho Kubernetes v\(version)\n", mode: 0o755)
        try FileManager.default.createDirectory(atPath: root + "/proc/41", withIntermediateDirectories: true)
        try FileManager.default.createSymbolicLink(
            atPath: root + "/proc/41/exe",
            withDestinationPath: root + "/state/kubelet-\(version)"
        )
        try tree.write("/state/pid", "41")
    }

    private func makePrograms() throws {
        try program(
            "dpkg-query",
            """
            p=@/state/packages/$4; [ -e "$p" ] || exit 1
            case $3 in
            *Want*) if [ -e "@/state/holds/$4" ]; then echo hold; else echo install; fi ;;
            *Version*) echo "installed $(cat "$p")" ;;
            *) printf installed ;;
            esac
            """
        )
        try changing(
            "apt-mark",
            """
            [ ! -e @/state/frontend ] || { a=$(cat @/state/frontend); n=${a%% *}; p=${a#* }
                if [ "$n" = 1 ]; then rm @/state/frontend; else echo "$((n - 1)) $p" >@/state/frontend; fi
                echo "dpkg: error: dpkg frontend lock was locked by another process with pid $p" >&2
                echo 'Note: removing the lock file is always wrong, can damage the locked area' >&2
                echo 'E: Executing dpkg failed (2)' >&2; exit 100; }
            a=$1; shift; for p; do if [ $a = hold ]; then : >@/state/holds/$p; else rm -f @/state/holds/$p; fi; done
            """
        )
        try changing(
            "dpkg",
            "[ ! -e @/state/locked ] || { rm @/state/locked; echo 'dpkg: error: dpkg frontend lock was locked by another process' >&2; exit 2; }"
        )
        let source = """
            list=; for a; do case $a in Dir::Etc::sourcelist=*) list=${a#*=} ;; esac; done
            minor() { sed -n 's|.*/\\(v1\\.[0-9]*\\)/.*|\\1|p' "${list:-@/etc/apt/sources.list.d/k8s-mirror.list}" | tail -n 1; }
            """
        try program(
            "apt-cache",
            source + "\nfor p; do :; done; [ -e @/state/fetched/$(minor) ] || exit 0\n"
                + "while read -r v; do echo \"   $p | $v | https://mirror.example ./ Packages\"; done <@/state/offers/$(minor)"
        )
        try program("apt-config", "exit 0")
        try changing(
            "apt-get",
            source + """

                case "$*" in
                *update*) [ -e "@/state/offers/$(minor)" ] || { echo "E: The repository '$(minor)' does not have a Release file." >&2; exit 100; }
                    mkdir -p @/state/fetched; : >"@/state/fetched/$(minor)"; exit 0 ;;
                esac
                [ ! -e @/state/busy ] || { echo 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 8486 (apt-get)' >&2; exit 100; }
                for a; do
                    case $a in Dir* | DPkg* | Dpkg* | APT*) continue ;; *=*) ;; *) continue ;; esac
                    n=${a%%=*}; v=${a#*=}
                    [ ! -e "@/state/holds/$n" ] || { echo 'E: Held packages were changed and -y was used without --allow-change-held-packages.' >&2; exit 100; }
                    echo "$v" >"@/state/packages/$n"
                    case $n in
                    kubeadm) chmod 755 @/bin/kubeadm ;;
                    kubelet) s=${v%%-*}; printf '#!/bin/sh\\necho Kubernetes v%s\\n' "$s" >"@/state/kubelet-$s"; chmod 755 "@/state/kubelet-$s" ;;
                    esac
                done
                """
        )
        try changing(
            "curl",
            "case \"$*\" in *healthz*) printf ok; exit ;; esac\n[ ! -e @/state/no-key ] || { echo 'curl: (22) 404' >&2; exit 22; }\n"
                + "while [ \"$1\" != -o ]; do shift; done; echo '-----BEGIN PGP PUBLIC KEY BLOCK-----' >\"$2\""
        )
        try program("sleep", "exit 0")
        try program("kubelet", "echo Kubernetes v$(cut -d- -f1 @/state/packages/kubelet)")
        try program("journalctl", "echo 'E1121 run.go:74] \"command failed\" err=\"unknown flag\"'")
        try changing(
            "systemctl",
            """
            case "$*" in
            'show -p MainPID'*) cat @/state/pid ;;
            *NeedDaemonReload*) echo no ;;
            is-active*) [ "$2" = -q ] || echo active; exit 0 ;;
            'restart kubelet')
                p=$(cat @/state/pid); rm -rf "@/proc/$p"; p=$((p + 1)); mkdir -p "@/proc/$p"; echo x >>@/state/restarts
                v=$(cut -d- -f1 @/state/packages/kubelet); [ ! -e @/state/broken ] || v=broken
                ln -s "@/state/kubelet-$v" "@/proc/$p/exe"; echo $p >@/state/pid ;;
            esac
            """
        )
        try FileManager.default.createSymbolicLink(atPath: root + "/bin/ln", withDestinationPath: "/usr/bin/ln")
        try makeKubernetes()
    }

    private func makeKubernetes() throws {
        try program(
            "crictl",
            """
            c=; for a; do case $a in component=*) c=${a#*=} ;; esac; done
            case $1 in
            ps) echo 0123456789ab ;;
            pods) [ -e "@/etc/kubernetes/manifests/$c.yaml" ] || exit 0; h=$(sha256sum <"@/etc/kubernetes/manifests/$c.yaml" | cut -c1-32)
                printf '    "io.kubernetes.pod.name": "%s-master1",\\n    "kubernetes.io/config.hash": "%s",\\n' "$c" "$h" ;;
            esac
            """
        )
        try program(
            "kubectl",
            """
            echo "$*" >>@/state/kubectl-calls
            case "$*" in *https://10.0.0.12*) echo 'The connection to the server was refused' >&2; exit 1 ;; esac
            case "$*" in
            *configmap*) printf 'apiVersion: kubeadm.k8s.io/v1beta4\\nkubernetesVersion: %s\\n' "$(cat @/state/configmap)" ;;
            *' pod '*)
                for a; do case $a in *-master1) c=${a%-master1} ;; esac; done
                if [ -e @/state/stale ]; then rm @/state/stale; echo 00; else sha256sum <"@/etc/kubernetes/manifests/$c.yaml" | cut -c1-32; fi ;;
            esac
            """
        )
        try changing(
            "kubeadm",
            """
            version=v$(cut -d- -f1 @/state/packages/kubeadm)
            [ "$1" != version ] || { echo "$version"; exit; }
            echo "$KUBECONFIG $*" >>@/state/kubeadm-calls
            [ ! -e @/state/refuses ] || { cat @/state/refuses; exit 1; }
            read -r dies 2>/dev/null <@/state/dies; rm -f @/state/dies; n=0
            phase() { n=$((n + 1)); [ "$n" != "${dies:-0}" ] || kill -9 $$; }
            target=$(cat @/state/configmap); [ "$2" != apply ] || target=$3
            T=@/etc/kubernetes/tmp; M=@/etc/kubernetes/manifests; stamp=$(wc -l <@/state/kubeadm-calls)
            if [ -d "$M" ]; then
                up=$T/kubeadm-upgraded-manifests$$; b=$T/kubeadm-backup-manifests-2026-11-21-10-15-$stamp
                mkdir -p "$up" "$b" "$T/kubeadm-backup-etcd-2026-11-21-10-15-$stamp"; phase
                for c in kube-apiserver kube-controller-manager kube-scheduler; do
                    printf 'spec:\\n  containers:\\n  - command:\\n    image: registry.k8s.io/%s:%s\\n' "$c" "$target" >"$up/$c.yaml"
                done
                phase
                for c in kube-apiserver kube-controller-manager kube-scheduler; do
                    [ -f "$M/$c.yaml" ] || { echo "error execution phase control-plane: failed to read manifest for \\"$M/$c.yaml\\""
                        echo 'To see the stack trace of this error execute with --v=5 or higher'; exit 1; }
                    cmp -s "$M/$c.yaml" "$up/$c.yaml" && continue
                    mv "$M/$c.yaml" "$b/"; phase; mv "$up/$c.yaml" "$M/"; phase
                done
                rm -rf "$up"; phase
                [ "$2" != apply ] || { echo "$target" >@/state/configmap; phase; }
            fi
            echo "healthzPort: 10248" >@/var/lib/kubelet/config.yaml; phase
            echo "[upgrade] SUCCESS"
            """
        )
    }

    /// A program in the place of a tool or of another one; never written through the link that a tool is.
    func program(_ name: String, _ script: String) throws {
        try? FileManager.default.removeItem(atPath: root + "/bin/" + name)
        try tree.program(name, script)
    }

    /// A program that can be told to die in place of what it does, with every shell that leads to it.
    private func changing(_ name: String, _ script: String) throws {
        try program(
            name,
            """
            case "$1" in show | is-active | version) ;; *)
                if [ -e @/count ]; then
                    read -r n <@/count; n=$((n + 1)); echo $n >@/count; read -r k <@/kill
                    if [ "$n" = "$k" ]; then
                        p=$PPID
                        while read -r c <"/proc/$p/comm" && { [ "$c" = sh ] || [ "$c" = dash ]; }; do
                            up=$(sed -n 's/^PPid:[[:space:]]*//p' "/proc/$p/status"); kill -9 "$p"; p=$up
                        done
                        exit 137
                    fi
                fi ;;
            esac

            """ + script
        )
    }

    /// Counts the calls of programs that change something, and kills whoever makes the one with a number.
    func countCalls(killAt number: Int = 0) throws {
        try tree.write("/count", "0\n")
        try tree.write("/kill", "\(number)\n")
    }

    var calls: Int { Int(text("/count").trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0 }

    func text(_ path: String) -> String { (try? String(contentsOfFile: root + path, encoding: .utf8)) ?? "" }
    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: root + path) }
    func names(_ path: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: root + path)) ?? []).sorted()
    }

    var connection: FramedConnection {
        FramedConnection(
            LocalTransport(
                host: HostName("host") ?? .controller,
                folder: root + "/var/lib/rollbook-host",
                replacing: [
                    ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PATH=\(root)/bin"),
                    ("\"/etc/", "\"\(root)/etc/"), ("\"/proc/", "\"\(root)/proc/"),
                    ("\"/var/lib/kubelet/", "\"\(root)/var/lib/kubelet/"),
                ]
            ),
            become: .no
        )
    }

    func ask(_ command: RemoteCommand) async throws -> ProbeBatch.Answer {
        let result = try await connection.run(command)
        return ProbeBatch.Answer(
            exitCode: result.exitCode,
            output: result.output.bytes,
            errorOutput: result.errorOutput.bytes
        )
    }

    /// Runs a script to its end.
    ///
    /// - Throws: `Failed` with what it said when it did not succeed.
    @discardableResult
    func `do`(_ command: RemoteCommand) async throws -> String {
        let answer = try await ask(command)
        guard answer.exitCode == 0 else { throw Failed(text: String(decoding: answer.errorOutput, as: UTF8.self)) }
        return answer.text
    }

    func read<F: Fact>(_ fact: F) async throws -> F.Value { try fact.parse(try await ask(fact.command)) }

    private var paths: ClusterPaths {
        var paths = ClusterPaths()
        paths.kubernetes = root + "/etc/kubernetes"
        paths.etcdData = root + "/var/lib/etcd"
        return paths
    }

    func situation(_ version: KubernetesVersion) async throws -> KubeadmSituation {
        KubeadmSituation.of(
            try await read(KubeadmState(paths: paths)),
            kubeadm: try await read(KubernetesPackages()).version(of: "kubeadm"),
            wanted: version,
            isMaster: isMaster,
            hasEtcd: isMaster
        )
    }

    static func repository(_ minor: Int, _ version: String, _ url: String = "") -> RemoteCommand {
        RemoteCommand(
            [
                PackageManager.functions, RepositoryEntries.functions, RepositoryScript.functions,
                RepositoryScript.configure,
            ],
            [run, String(minor), version, url]
        )
    }
    static let undoRepository = RemoteCommand(
        [PackageManager.functions, RepositoryEntries.functions, RepositoryScript.functions, RepositoryScript.undo],
        [run]
    )
    static func install(_ items: String...) -> RemoteCommand {
        RemoteCommand([PackageManager.functions, PackageManager.install], [run] + items)
    }
    static func goBack(_ minor: Int, _ items: String...) -> RemoteCommand {
        RemoteCommand(
            [PackageManager.functions, RepositoryEntries.functions, UpgradeKubelet.goBack],
            [String(minor)] + items
        )
    }
    static func restart(_ version: String) -> RemoteCommand {
        RemoteCommand([KubernetesPackages.running, UpgradeKubelet.script], [version, "20"])
    }
    func upgrade(_ version: String, _ flags: String...) -> RemoteCommand {
        RemoteCommand(
            [KubeadmScript.functions, KubeadmScript.upgrade],
            [
                root + "/etc/kubernetes", version, isMaster ? "master" : "worker",
                isMaster ? root + "/var/lib/etcd" : "",
                "https://10.0.0.12:6443 https://10.0.0.13:6443", Self.run,
            ] + flags
        )
    }
}
