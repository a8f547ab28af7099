import ClusterModel
import Testing

@testable import ClusterSteps

@Suite("What kubeadm and the package manager say when they fail")
struct UpgradeOutputTests {
    private static func recorded(_ name: String) -> String {
        Fixtures.bytes("upgrade/\(name)").map { String(decoding: $0, as: UTF8.self) } ?? "missing"
    }

    @Test(
        "kubeadm's error is found before its words on stack traces",
        arguments: [
            (
                "two-minors",
                "error execution phase preflight: the version argument is invalid due to these fatal errors: Specified version to "
                    + "upgrade to \"v1.33.1\" is too high; kubeadm can upgrade only 1 minor version at a time; Specified version to "
                    + "upgrade to \"v1.33.1\" is at least one minor release higher than the kubeadm minor release (33 > 32). Such an "
                    + "upgrade is not supported"
            ),
            (
                "manifest-missing",
                "error execution phase control-plane: couldn't complete the static pod upgrade: failed to read manifest for "
                    + "\"/etc/kubernetes/manifests/kube-scheduler.yaml\": open /etc/kubernetes/manifests/kube-scheduler.yaml: no such "
                    + "file or directory"
            ),
            (
                "vip-down",
                "couldn't create a Kubernetes client from file \"/etc/kubernetes/admin.conf\": failed to get server version: Get "
                    + "\"https://10.78.0.100:6443/version\": EOF"
            ),
            (
                "addons-missing",
                "CoreDNSUnsupportedPlugins: start version '' not supported; CoreDNSMigration: CoreDNS will not be upgraded: start "
                    + "version '' not supported"
            ),
            ("killed", "[upgrade/staticpods] This can take up to 5m0s"),
        ]
    )
    func kubeadm(name: String, expected: String) {
        #expect(KubeadmOutput.failure(in: Self.recorded(name)) == expected)
    }

    @Test("nothing at all is said so")
    func silent() { #expect(KubeadmOutput.failure(in: "\n  \n") == "it said nothing") }

    @Test(
        "while it is installed, a lock that is waited for is told with its holder, else what the package manager does"
    )
    func news() {
        #expect(
            PackageManager.news("Waiting for cache lock: Could not get lock x. It is held by process 8586 (apt-get)...")
                == "waits for the package manager's lock: process 8586 (apt-get)"
        )
        #expect(PackageManager.news("Setting up kubelet (1.32.13-1.1) ...") == "Setting up kubelet (1.32.13-1.1) ...")
        #expect(PackageManager.news("") == nil)
    }

    @Test("a lock that stays taken names who has it, other failures are apt's own words")
    func apt() {
        let ended = "\nthe package manager ended with 100\n"
        func complaint(_ output: String, _ errors: String) -> String {
            PackageManager.complaint(output: output, errorOutput: errors + ended)
        }
        #expect(
            complaint("", Self.recorded("apt-lock-held"))
                == "the package manager's lock stays taken: process 8486 (apt-get)"
        )
        #expect(
            complaint(Self.recorded("apt-lock-timeout"), Self.recorded("apt-lock-timeout.stderr"))
                == "the package manager's lock stays taken: process 8586 (apt-get)"
        )
        #expect(
            complaint(Self.recorded("no-version"), Self.recorded("no-version.stderr"))
                == "Version '1.32.13-1.1' for 'kubeadm' was not found"
        )
        #expect(
            complaint("", Self.recorded("held"))
                == "Held packages were changed and -y was used without --allow-change-held-packages."
        )
        #expect(
            PackageManager.complaint(output: "", errorOutput: "kubeadm 1.32.13 is not on offer\n")
                == "kubeadm 1.32.13 is not on offer"
        )
    }
}
