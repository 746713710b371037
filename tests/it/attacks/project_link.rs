//! A repository that somebody else made has links in the place of an agent's project files, which lead to the user's files.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::world::{Ran, World};

/// A home directory with the user's configuration of Claude Code, and a project.
fn world() -> (World, PathBuf) {
    let world = World::new(&[]);
    let project = world.tmp.path().join("project");
    fs::create_dir_all(world.home().join(".claude")).unwrap();
    fs::create_dir_all(&project).unwrap();
    fs::write(world.home().join(".claude.json"), "{\"user\": 1}").unwrap();
    fs::write(world.home().join(".claude/settings.json"), "{\"user\": 2}").unwrap();
    (world, project)
}

fn update(world: &World, project: &PathBuf, more: &[&str]) -> Ran {
    let mut command = world.command();
    command.current_dir(project).args(["update-skill", "claude", "--project"]).args(more);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn user_files(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    super::files(&world.home()).into_iter().collect()
}

#[test]
fn a_link_that_leads_out_of_the_project_is_refused() {
    for (link, leads_to) in [
        (".mcp.json", ".claude.json"),
        (".claude", ".claude"),
        (".claude/settings.json", ".claude/settings.json"),
        (".claude/skills", ".claude"),
    ] {
        let (world, project) = world();
        let before = user_files(&world);
        let link = project.join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(world.home().join(leads_to), &link).unwrap();
        for more in [&["--hooks"][..], &["--hooks", "--force"], &["--remove"], &["--remove", "--force"]] {
            let refused = update(&world, &project, more);
            assert_eq!(refused.code, 1, "{link:?} {more:?}: {} {}", refused.out, refused.err);
            let said = format!("{} {}", refused.out, refused.err);
            let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains("leads out of the project"), "{link:?} {more:?}: {said}");
            assert_eq!(user_files(&world), before, "{link:?} {more:?}");
        }
    }
}

#[test]
fn a_link_inside_of_the_project_is_followed() {
    let (world, project) = world();
    fs::create_dir(project.join("config")).unwrap();
    symlink(project.join("config"), project.join(".claude")).unwrap();
    let done = update(&world, &project, &[]);
    assert_eq!(done.code, 0, "{} {}", done.out, done.err);
    assert!(project.join("config/skills/clawgate/SKILL.md").is_file());
}
