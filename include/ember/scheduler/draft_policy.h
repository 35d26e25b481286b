// SPDX-License-Identifier: Apache-2.0
// How many tokens to draft for one sequence: as many as are likely enough to come true to be worth
// their time.
#pragma once

namespace ember {

class DraftPolicy {
 public:
  // The most drafts that pay, at most `most`. Draft i comes true with probability a^i, a being the
  // share that came true lately; it costs `marginal_share` (StepCost) of what a token costs now. So
  // the last one worth its time is the last with a^i >= 1.1 marginal_share. 0 during a pause.
  int num_drafts(double marginal_share, int most) const;

  // After a step that verified num_drafts drafts, 0 too, of which num_accepted came true. Three
  // such steps in a row without any accepted begin a pause of 16 steps; then at least half of the
  // drafts are thought to come true.
  void count(int num_drafts, int num_accepted);

 private:
  double acceptance_ = 0.7;  // mean, decaying
  int num_misses_ = 0;       // steps in a row
  int pause_ = 0;            // steps left
};

}  // namespace ember
