import Foundation
import Testing

extension LabSuite {
    /// The printed schedules, installed for real: lb1 becomes a controller with systemd and cron.
    @Suite("a schedule")
    struct ScheduleTests {
        @Test("as printed is accepted by systemd and by cron, and both really run it")
        func installed() async throws {
            let outcome = await Result { try await install() }
            try await Lab.here.shell(
                "lb1",
                """
                systemctl stop rollbook-nightly-backup.timer rollbook-nightly-backup.service || :
                rm -rf /etc/cron.d/rollbook-nightly-backup /etc/systemd/system/rollbook-nightly-backup.* \\
                    /opt/rollbook /etc/rollbook /var/lib/rollbook-cron /var/lib/rollbook-systemd
                systemctl daemon-reload; systemctl reset-failed
                """
            )
            try outcome.get()
        }

        private func install() async throws {
            let controller = try Controller()
            let lab = controller.lab
            try await copyProgram(controller)
            let clock = try await lab.shell("lb1", "date +%H:%M:%S").split(separator: ":").compactMap {
                Int($0.prefix(2))
            }
            try #require(clock.count == 3)
            // The next minute, or the one after when that is too close.
            let minute = (clock[0] * 60 + clock[1] + (clock[2] > 50 ? 2 : 1)) % 1440
            let at = "\(minute / 60 < 10 ? "0" : "")\(minute / 60):\(minute % 60 < 10 ? "0" : "")\(minute % 60)"
            try await install(crontab: try await schedule("cron", at, "/var/lib/rollbook-cron"))
            try await install(units: try await schedule("systemd", "02:15", "/var/lib/rollbook-systemd"))

            try await lab.shell("lb1", "systemctl start rollbook-nightly-backup.service")
            try await expectBackup("/var/lib/rollbook-systemd")
            let said = try await lab.shell("lb1", "journalctl --no-pager -o cat -u rollbook-nightly-backup.service")
            #expect(said.contains("rollbook: nightly-backup done on lab in "), "\(said)")

            let runs =
                "for i in $(seq 1200); do [ ! -e /var/lib/rollbook-cron/backups/lab/2*Z-*/manifest.json ] || exit 0; sleep 0.1; done; exit 1"
            try await lab.shell("lb1", runs)
            // The set has its name a moment before the run has its end.
            try await lab.shell(
                "lb1",
                "for i in $(seq 100); do grep -q '\"run.end\"' /var/lib/rollbook-cron/runs/*/journal.jsonl && exit 0; sleep 0.1; done; exit 1"
            )
            try await expectBackup("/var/lib/rollbook-cron")
        }

        private func schedule(_ kind: String, _ at: String, _ state: String) async throws -> String {
            try await Lab.here.shell(
                "lb1",
                "/opt/rollbook/rollbook schedule nightly-backup --at \(at) --format \(kind) --state-dir \(state) "
                    + "--program /opt/rollbook/rollbook --inventory /etc/rollbook/inventory/lab.yaml"
            )
        }

        /// A crontab is taken as it is printed.
        private func install(crontab: String) async throws {
            let lines = crontab.split(separator: "\n")
            #expect(
                lines.first?.hasPrefix("# /etc/cron.d/rollbook-nightly-backup ") == true && lines.count == 2,
                "\(crontab)"
            )
            try await Lab.here.shell(
                "lb1",
                "umask 022; printf '%s\\n' \"$1\" >/etc/cron.d/rollbook-nightly-backup",
                crontab
            )
        }

        /// The first line of each unit says which file it is.
        private func install(units: String) async throws {
            var files: [(path: String, text: String)] = []
            for line in units.split(separator: "\n", omittingEmptySubsequences: false) {
                if line.hasPrefix("# /etc/systemd/system/") {
                    files.append((String(line.dropFirst(2)), ""))
                } else if !line.hasPrefix("#"), !files.isEmpty {
                    files[files.count - 1].text += line + "\n"
                }
            }
            #expect(files.map(\.path).map { $0.split(separator: ".").last } == ["service", "timer"])
            for file in files {
                try await Lab.here.shell("lb1", "umask 022; printf '%s' \"$2\" >\"$1\"", file.path, file.text)
            }
            let paths = files.map(\.path).joined(separator: " ")
            let verdict = try await Lab.here.shell("lb1", "systemd-analyze verify \(paths) 2>&1; echo \"code $?\"")
            #expect(verdict == "code 0\n", "\(verdict)")
            try await Lab.here.shell("lb1", "systemctl daemon-reload; systemctl start rollbook-nightly-backup.timer")
            let timers = try await Lab.here.shell("lb1", "systemctl list-timers --all --no-pager")
            #expect(timers.contains("rollbook-nightly-backup.timer"), "\(timers)")
        }

        private func expectBackup(_ state: String) async throws {
            let answer = try await Lab.here.shell(
                "lb1",
                """
                ROLLBOOK_STATE_DIR=\(state); export ROLLBOOK_STATE_DIR
                /opt/rollbook/rollbook backups status --inventory /etc/rollbook/inventory/lab.yaml
                /opt/rollbook/rollbook journal verify; find \(state) -perm /077
                """
            )
            let lines = answer.split(separator: "\n")
            #expect(lines.count == 2 && lines[0].hasPrefix("lab: ok: "), "\(answer)")
        }

        /// The program and its libraries, the inventory, and what that refers to.
        private func copyProgram(_ controller: Controller) async throws {
            let lab = controller.lab
            let root = "\(lab.state)/hosts/lb1/root"
            let answer = try await controller.bash(
                """
                set -euo pipefail; umask 077; to=\(root); mkdir -p $to/opt/rollbook/lib $to/etc/rollbook/inventory
                cp "$ROLLBOOK" $to/opt/rollbook/program
                cp $(ldd "$ROLLBOOK" | awk '$3 ~ /^\\// { print $3 }' | grep -v -e /libc.so -e /libm.so) $to/opt/rollbook/lib/
                printf '#!/bin/sh\\nLD_LIBRARY_PATH=/opt/rollbook/lib exec /opt/rollbook/program "$@"\\n' >$to/opt/rollbook/rollbook
                chmod 0755 $to/opt/rollbook/rollbook
                cp \(lab.state)/id_ed25519 \(lab.state)/known_hosts $to/etc/rollbook/
                sed 's#\(lab.state)/#/etc/rollbook/#' \(controller.inventory) >$to/etc/rollbook/inventory/lab.yaml
                """
            )
            try #require(answer.code == 0, "\(answer)")
        }
    }
}
